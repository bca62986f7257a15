package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

const (
	passwordBytes = 32
	saltBytes     = 16
)

// newPassword is 256 random bits. Nobody guesses that, however few times it is hashed.
func newPassword() string {
	b := make([]byte, passwordBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// newVerifier is what PostgreSQL keeps in place of the password.
func newVerifier(password string, iterations int) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	return scramVerifier(password, salt, iterations)
}

// scramVerifier is the verifier of an ASCII password (on which SASLprep has no effect) in PostgreSQL's form of RFC 5803:
// SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY, with the keys of RFC 5802, section 3. It lets its holder check the
// password, but not log in with it.
func scramVerifier(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	storedKey := sha256.Sum256(hmacSHA256(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(storedKey[:]), b64(hmacSHA256(salted, "Server Key"))), nil
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
