package filewitness_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/filewitness"
)

var _ delivery.Witness = (*filewitness.File)(nil)

// sign makes the checkpoint of a log of n entries.
func sign(t testing.TB, n int64) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signed, err := audit.SignCheckpoint(audit.Checkpoint{Origin: "curfew/i/default", Tree: tlog.Tree{N: n}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func keep(t testing.TB, w *filewitness.File, signed []byte) (previous []byte, err error) {
	t.Helper()
	err = w.Keep(t.Context(), signed, func(p []byte) error { previous = bytes.Clone(p); return nil })
	return previous, err
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeepsOneBehindTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints")
	w := filewitness.New(path)
	var before []byte
	for n := range int64(300) { // more than what is read of the end
		signed := sign(t, n+1)
		previous, err := keep(t, w, signed)
		if err != nil || !bytes.Equal(previous, before) {
			t.Fatalf("behind number %d: %q, %v; want %q", n, previous, err, before)
		}
		before = signed
	}
	notes := audit.SplitCheckpoints(read(t, path))
	if len(notes) != 300 || !bytes.Equal(notes[0], sign(t, 1)) || !bytes.Equal(notes[299], before) {
		t.Errorf("the file has %d checkpoints, %q … %q", len(notes), notes[0], notes[len(notes)-1])
	}
}

func TestKeepsNothingThatDoesNotFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints")
	w := filewitness.New(path)
	if _, err := keep(t, w, sign(t, 1)); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	had := read(t, path)
	if err := w.Keep(t.Context(), sign(t, 2), func([]byte) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if got := read(t, path); !bytes.Equal(got, had) {
		t.Errorf("the file has become %q", got)
	}
}

// TestGoesOnBehindAWriteThatWasCutShort cuts the last write off at each byte.
func TestGoesOnBehindAWriteThatWasCutShort(t *testing.T) {
	first, second, third := sign(t, 1), sign(t, 2), sign(t, 3)
	whole := fmt.Appendf(nil, "%s\n%s\n", first, second)
	begin := len(first) + 1
	for at := 1; at < len(whole); at++ {
		path := filepath.Join(t.TempDir(), "checkpoints")
		if err := os.WriteFile(path, whole[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		var before, want []byte
		switch { // the empty line that ends a checkpoint may be missing
		case at >= len(whole)-1:
			before, want = second, whole[:at]
		case at >= begin-1:
			before, want = first, whole[:min(at, begin)]
		}
		want = fmt.Appendf(bytes.Clone(want), "%s\n", third)
		previous, err := keep(t, filewitness.New(path), third)
		if err != nil || !bytes.Equal(previous, before) {
			t.Fatalf("cut off at %d: previous %q, %v", at, previous, err)
		}
		if got := read(t, path); !bytes.Equal(got, want) {
			t.Fatalf("cut off at %d, the file has become %q, not %q", at, got, want)
		}
	}
}

func TestRefusesOtherFiles(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"notes": "remember the milk\n", "long": string(make([]byte, 100_000))} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keep(t, filewitness.New(path), sign(t, 1)); !errors.Is(err, audit.ErrRewritten) {
			t.Errorf("%s: got %v", name, err)
		}
		if got := read(t, path); string(got) != content {
			t.Errorf("%s has become %.100q", name, got)
		}
	}
	if _, err := keep(t, filewitness.New(folder), sign(t, 1)); err == nil {
		t.Error("a folder is a witness")
	}
	if _, err := keep(t, filewitness.New(filepath.Join(folder, "gone", "checkpoints")), sign(t, 1)); err == nil {
		t.Error("a file is made in a folder that is not there")
	}
}
