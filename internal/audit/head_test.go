package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/audit"
)

func signedHead(t *testing.T) (audit.Head, []byte, ed25519.PrivateKey) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	leaf := sha256.Sum256([]byte("leaf"))
	h := audit.Head{
		Installation: "i1", Tenant: "default", Position: 17, Event: "ev_17", Leaf: leaf[:],
		At: time.UnixMicro(1_700_000_000_000_001).UTC(), Generation: 3,
	}
	text, err := audit.SignHead(h, key)
	if err != nil {
		t.Fatal(err)
	}
	return h, text, key
}

// only is the key of the third generation, and no other.
func only(key ed25519.PublicKey) audit.HeadKeys {
	return func(generation int) ed25519.PublicKey {
		if generation != 3 {
			return nil
		}
		return key
	}
}

// The text is fixed: a head that was written by one version is read by the next.
func TestHeadText(t *testing.T) {
	h, text, key := signedHead(t)
	const want = `{"v":2,"installation":"i1","tenant":"default","position":17,"event":"ev_17","leaf":"n5EWH0NDPkmm3m22gNefYBWfLkrJFyYhoShGQoFYRAs=","at":1700000000000001,"generation":3,"signature":"`
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("the head is\n%s\nwant\n%s…", text, want)
	}
	got, err := audit.OpenHead(text, only(key.Public().(ed25519.PublicKey)))
	if diff := cmp.Diff(h, got); err != nil || diff != "" {
		t.Errorf("read back (-want +got): %v\n%s", err, diff)
	}
}

func TestHeadSignature(t *testing.T) {
	_, text, key := signedHead(t)
	public := key.Public().(ed25519.PublicKey)
	for from, to := range map[string]string{
		`"i1"`: `"i2"`, `"default"`: `"other"`, `:17,`: `:16,`, `"ev_17"`: `"ev_16"`, `:1700000000000001,`: `:1700000000000002,`, `"n5EW`: `"n6EW`, `"generation":3`: `"generation":4`,
		`"signature":"`: `"signature":"AA`,
	} {
		changed := strings.Replace(string(text), from, to, 1)
		if _, err := audit.OpenHead([]byte(changed), only(public)); err == nil || changed == string(text) {
			t.Errorf("%s for %s is not noticed", to, from)
		}
	}
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	if h, err := audit.OpenHead(text, only(other)); !errors.Is(err, audit.ErrSignature) || h.Position != 17 {
		t.Errorf("under another key: %+v, %v", h, err)
	}
	for _, bad := range []string{"", "{}", "null", `{"v":1}`, strings.Replace(string(text), `"v"`, `"x":1,"v"`, 1)} {
		if _, err := audit.OpenHead([]byte(bad), only(public)); err == nil || errors.Is(err, audit.ErrSignature) {
			t.Errorf("%q is taken for a head: %v", bad, err)
		}
	}
}
