package passphrase_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/passphrase"
)

const phrase = "correct horse battery staple"

// quick are the least parameters that are accepted.
var quick = passphrase.Parameters{Passes: 1, KiB: 8 << 10, Threads: 1}

func open(t *testing.T, phrase string, p passphrase.Parameters) *passphrase.Wrapper {
	t.Helper()
	w, err := passphrase.New(phrase, p)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func keyID(generation int) secret.KeyID {
	return secret.KeyID{Owner: secret.Owner{Installation: "i1", Tenant: "default"}, Generation: generation, Use: secret.SealingKey}
}

func wrap(t *testing.T, w *passphrase.Wrapper, key []byte) []byte {
	t.Helper()
	wrapped, err := w.Wrap(t.Context(), keyID(1), key)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// What was wrapped opens with the passphrase alone: salt and parameters are kept with it.
func TestWrappedKeepsItsParameters(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	wrapped := wrap(t, open(t, phrase, quick), key)
	if bytes.Contains(wrapped, key[:8]) {
		t.Error("the wrapped bytes hold the key")
	}
	other := open(t, phrase, passphrase.Parameters{Passes: 2, KiB: 16 << 10, Threads: 2})
	if got, err := other.Unwrap(t.Context(), keyID(1), wrapped); err != nil || !bytes.Equal(got, key) {
		t.Errorf("Unwrap = %x, %v", got, err)
	}
	if _, err := other.Unwrap(t.Context(), keyID(2), wrapped); err == nil {
		t.Error("it opens as another generation's key")
	}
	if again := wrap(t, open(t, phrase, quick), key); bytes.Equal(again[10:26], wrapped[10:26]) {
		t.Error("two Wrappers have one salt")
	}
}

func TestWrongPassphraseSaysSo(t *testing.T) {
	wrapped := wrap(t, open(t, phrase, quick), make([]byte, 32))
	const wrong = "incorrect horse battery staple"
	_, err := open(t, wrong, quick).Unwrap(t.Context(), keyID(1), wrapped)
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "the passphrase is wrong") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), wrong) {
		t.Error("the passphrase is repeated")
	}
}

func TestShortPassphraseIsRefused(t *testing.T) {
	for _, short := range []string{"", "password", "fifteen letters", strings.Repeat("é", 15)} {
		if _, err := passphrase.New(short, quick); access.KindOf(err) != access.KindMisconfigured || short != "" && strings.Contains(err.Error(), short) {
			t.Errorf("%d bytes: %v", len(short), err)
		}
	}
	if _, err := passphrase.New(strings.Repeat("é", passphrase.MinLength), quick); err != nil {
		t.Error(err)
	}
}

// The parameters come from the store: whoever can write there must not have a node compute for days, or take all memory.
func TestParametersAreBounded(t *testing.T) {
	w := open(t, phrase, quick)
	wrapped := wrap(t, w, make([]byte, 32))
	for name, spoil := range map[string]func(b []byte){
		"passes":     func(b []byte) { binary.BigEndian.PutUint32(b[1:], 17) },
		"no passes":  func(b []byte) { binary.BigEndian.PutUint32(b[1:], 0) },
		"memory":     func(b []byte) { binary.BigEndian.PutUint32(b[5:], 1<<31) },
		"too little": func(b []byte) { binary.BigEndian.PutUint32(b[5:], 1<<10) },
		"threads":    func(b []byte) { b[9] = 255 },
		"no threads": func(b []byte) { b[9] = 0 },
	} {
		spoilt := bytes.Clone(wrapped)
		spoil(spoilt)
		if _, err := w.Unwrap(t.Context(), keyID(1), spoilt); err == nil || !strings.Contains(err.Error(), "out of bounds") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range wrapped {
		if i > 0 && i < 10 {
			continue // other parameters, of which the bounds are above
		}
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := w.Unwrap(t.Context(), keyID(1), changed); err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
	}
	for n := range wrapped {
		if _, err := w.Unwrap(t.Context(), keyID(1), wrapped[:n]); err == nil {
			t.Errorf("the first %d bytes open", n)
		}
	}
	if _, err := passphrase.New(phrase, passphrase.Parameters{}); err == nil {
		t.Error("no parameters are accepted")
	}
	if _, err := passphrase.New(phrase, passphrase.Recommended()); err != nil {
		t.Errorf("what is recommended: %v", err)
	}
}
