package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/audit"
)

func newLogKey(t testing.TB, origin string) (private ed25519.PrivateKey, public string) {
	t.Helper()
	key, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = audit.VerifierKey(origin, key); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// The form is the one of https://c2sp.org/tlog-checkpoint, read here by the library of another log.
func TestCheckpointIsASignedNote(t *testing.T) {
	c := audit.Checkpoint{Origin: audit.Origin("i1", "a customer+1"), Tree: tlog.Tree{N: 17, Hash: tlog.Hash{1, 2, 3}}}
	private, public := newLogKey(t, c.Origin)
	signed, err := audit.SignCheckpoint(c, private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	want := "curfew/i1/a%20customer%2B1\n17\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	if n.Text != want || n.Sigs[0].Name != c.Origin {
		t.Errorf("signed by %q:\n%s", n.Sigs[0].Name, n.Text)
	}
	got, err := audit.OpenCheckpoint(signed, public)
	if diff := cmp.Diff(c, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := audit.ReadCheckpoint(signed); err != nil || got != c {
		t.Errorf("read without a key: %+v, %v", got, err)
	}
}

func TestCheckpointOfSomebodyElse(t *testing.T) {
	c := audit.Checkpoint{Origin: "curfew/i1/default", Tree: tlog.Tree{N: 17}}
	private, _ := newLogKey(t, c.Origin)
	_, another := newLogKey(t, c.Origin)
	signed, err := audit.SignCheckpoint(c, private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenCheckpoint(signed, another); err == nil {
		t.Error("another key's signature is taken")
	}
	if _, err := audit.OpenCheckpoint(signed, "no key"); err == nil || !strings.Contains(err.Error(), "no public key") {
		t.Errorf("a key that is none: %v", err)
	}
}

// TestEveryByteOfACheckpointCounts changes each bit: the checkpoint does not open any more, or says the same.
func TestEveryByteOfACheckpointCounts(t *testing.T) {
	c := audit.Checkpoint{Origin: "curfew/i1/default", Tree: tlog.Tree{N: 17, Hash: tlog.Hash{9}}}
	private, public := newLogKey(t, c.Origin)
	signed, err := audit.SignCheckpoint(c, private)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		for bit := range 8 {
			changed := bytes.Clone(signed)
			changed[i] ^= 1 << bit
			if got, err := audit.OpenCheckpoint(changed, public); err == nil && got != c {
				t.Fatalf("bit %d of byte %d makes it %+v", bit, i, got)
			}
		}
	}
}

func TestNoCheckpoint(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"no signature":    "curfew/i1/default\n17\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		"a negative size": "curfew/i1/default\n-1\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x y\n",
		"a size with 0":   "curfew/i1/default\n017\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x y\n",
		"a short hash":    "curfew/i1/default\n17\nAQID\n\n— x y\n",
		"no origin":       "\n17\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x y\n",
		"far too much":    "curfew/i1/default\n17\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" + strings.Repeat("x\n", audit.MaxCheckpoint) + "\n— x y\n",
	} {
		if c, err := audit.ReadCheckpoint([]byte(text)); !errors.Is(err, audit.ErrNoCheckpoint) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestSplitCheckpoints(t *testing.T) {
	a, b := "curfew/i/d\n1\nh\n\n— k s\n", "curfew/i/d\n2\nh\nextension\n\n— k s\n— witness s\n"
	for text, want := range map[string][]string{
		"":           nil,
		"\n":         nil,
		a:            {a},
		a + b:        {a, b},
		a + "\n" + b: {a, b},
		b + "\n" + a: {b, a},
		"no note":    {"no note"},
	} {
		var got []string
		for _, n := range audit.SplitCheckpoints([]byte(text)) {
			got = append(got, string(n))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	f.Add([]byte("curfew/i1/default\n17\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x y\n"))
	_, public := newLogKey(f, "curfew/i1/default")
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := audit.OpenCheckpoint(text, public); err == nil {
			t.Errorf("nobody signed %+v", c)
		}
		if c, err := audit.ReadCheckpoint(text); err == nil && (c.Origin == "" || c.Tree.N < 0) {
			t.Errorf("%+v", c)
		}
		var length int
		for _, n := range audit.SplitCheckpoints(text) {
			length += len(n)
		}
		if length > len(text) {
			t.Error("the parts are longer than the whole")
		}
	})
}
