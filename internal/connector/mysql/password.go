package mysql

import (
	"crypto/rand"
	"encoding/base64"
)

const passwordBytes = 32

// newPassword is 256 random bits. Nobody guesses that, however it is hashed.
func newPassword() string {
	b := make([]byte, passwordBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}
