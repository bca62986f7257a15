package canary

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// punctuation stands in the middle of secrets that we choose: whoever escapes or cuts a text has to do something about it.
const punctuation = `/"\'@:%$ &#<>`

// shortest is the length of the shortest run of bytes that is sought. Shorter ones stand in data by accident.
const shortest = 8

// canary is a secret under watch.
type canary struct {
	name  string
	value []byte
}

// newValue is a secret that nobody else has: random letters and digits on both sides of punctuation, so that each half is
// recognised whatever becomes of the middle.
func newValue() string { return rand.Text() + punctuation + rand.Text() }

// form is a run of bytes that tells of a canary.
type form struct {
	canary, name string
	bytes        []byte
}

// forms are those in which a canary is sought: its parts, which no quoting and no escaping for URLs or JSON changes, and each of
// them in hex and in base64, wherever in a longer text that begins.
func (c canary) forms() []form {
	var all []form
	add := func(name string, b []byte) {
		if len(b) >= shortest {
			all = append(all, form{c.name, name, b})
		}
	}
	for _, part := range c.parts() {
		add("as it is", part)
		add("in hex", []byte(hex.EncodeToString(part)))
		add("in hex", []byte(strings.ToUpper(hex.EncodeToString(part))))
		for shift := range 3 {
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				add("in base64", within(encoding, part, shift))
			}
		}
	}
	return all
}

// parts are the runs of letters, digits and the characters of base64 and URLs that nobody escapes; of a binary key it is the whole.
func (c canary) parts() [][]byte {
	if bytes.ContainsFunc(c.value, func(r rune) bool { return r < ' ' && r != '\n' || r == 0xFFFD }) {
		return [][]byte{c.value}
	}
	return bytes.FieldsFunc(c.value, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.' && r != '~'
	})
}

// within is what is the same of the part in base64 whatever stands around it, when it begins so many bytes behind a group
// of three.
func within(encoding *base64.Encoding, part []byte, shift int) []byte {
	padded := append(make([]byte, shift), part...)
	padded = padded[:len(padded)/3*3]
	encoded := encoding.EncodeToString(padded)
	if shift > 0 && len(encoded) >= 4 {
		encoded = encoded[4:] // the first group mixes with what is before
	}
	return []byte(encoded)
}
