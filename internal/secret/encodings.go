package secret

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// minEncoded is the shortest secret that is looked for in an encoded form, in bytes: what encodes less stands in other text by
// chance.
const minEncoded = 6

// NewOutputRedactor makes a Redactor for what a program prints that was given these secrets, which may have encoded them on
// the way: it knows their base64, whatever stands before them, and their hexadecimal form too. It keeps accidents from
// spreading a secret, and not a program that wants to.
func NewOutputRedactor(secrets ...string) Redactor {
	all := slices.Clone(secrets)
	for _, s := range secrets {
		for _, part := range append(passwords(s), s) {
			if len(part) >= minEncoded {
				all = append(all, encodings(part)...)
			}
		}
	}
	return NewRedactor(all...)
}

// encodings are the forms in which a secret stands in encoded text, whatever stands around it.
func encodings(s string) []string {
	hexadecimal := hex.EncodeToString([]byte(s))
	forms := []string{hexadecimal, strings.ToUpper(hexadecimal)}
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Three bytes are four characters, so that there are three ways for what stands before to push it.
		for before := range 3 {
			text := alphabet.EncodeToString(append(make([]byte, before), s...))
			// The first and the last character may have bits of the neighbours.
			first, last := (before*8+5)/6, (before+len(s))*8/6
			forms = append(forms, text[first:last])
		}
	}
	return forms
}
