package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/secret"
)

// Whatever stands around a secret, none of its encodings leaves the middle of it readable.
func TestOutputRedactorKnowsEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[ -~]{8,40}`).Draw(t, "secret")
		before, after := rapid.StringMatching(`[a-z\n]{0,7}`).Draw(t, "before"), rapid.StringMatching(`[a-z\n]{0,7}`).Draw(t, "after")
		r := secret.NewOutputRedactor(s)
		for name, decode := range map[string]struct {
			encode func([]byte) string
			decode func(string) ([]byte, error)
		}{
			"base64":     {base64.StdEncoding.EncodeToString, base64.StdEncoding.DecodeString},
			"base64 URL": {base64.RawURLEncoding.EncodeToString, base64.RawURLEncoding.DecodeString},
			"hex":        {hex.EncodeToString, hex.DecodeString},
			"upper hex": {
				func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }, hex.DecodeString,
			},
			"plain": {func(b []byte) string { return string(b) }, func(s string) ([]byte, error) { return []byte(s), nil }},
			"query": {
				func(b []byte) string { return url.QueryEscape(string(b)) },
				func(s string) ([]byte, error) { v, err := url.QueryUnescape(s); return []byte(v), err },
			},
		} {
			text := decode.encode([]byte(before + s + after))
			clean := r.Text(text)
			if !strings.Contains(clean, "[secret]") {
				t.Fatalf("%s: %q is left as it is", name, text)
			}
			for _, piece := range strings.Split(clean, "[secret]") {
				if plain, err := decode.decode(piece); err == nil && strings.Contains(string(plain), s) {
					t.Fatalf("%s: %q is left in %q", name, plain, clean)
				}
			}
		}
	})
}

func TestOutputRedactorLeavesTheRest(t *testing.T) {
	const text = "3 rows, 2 of them new; see https://example.com/a?b=c"
	if got := secret.NewOutputRedactor("hunter2hunter2", "abc").Text(text); got != text {
		t.Errorf("made %q of %q", got, text)
	}
}
