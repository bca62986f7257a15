package mysql

import (
	"crypto/rand"
)

// sha2Rounds is how often caching_sha2_password hashes, unless the server is told otherwise.
const (
	sha2Rounds     = 5000
	sha2SaltLength = 20
)

func mySQL() flavour {
	return flavour{name: "MySQL", major: 8, minor: 0, hash: newSHA2Hash, patterns: "SELECT NOT @@global.partial_revokes"}
}

// newSHA2Hash is the hash of caching_sha2_password, with a new salt.
func newSHA2Hash(password string) string {
	salt := make([]byte, sha2SaltLength)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	for i := range salt {
		salt[i] = cryptAlphabet[salt[i]%64] // the server keeps salts that are text
	}
	return sha2Hash(password, salt)
}

// sha2Hash is in MySQL's form: $A$ROUNDS$ with the rounds in thousands, the salt, and the digest, without anything between.
func sha2Hash(password string, salt []byte) string {
	return "$A$005$" + string(salt) + sha256Crypt([]byte(password), salt, sha2Rounds)
}
