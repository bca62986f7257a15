package mysql

import (
	"crypto/sha1" //nolint:gosec // the server's choice, of secrets that nobody guesses
	"encoding/hex"
	"strings"
)

func mariaDB() flavour {
	return flavour{name: "MariaDB", major: 10, minor: 6, hash: nativeHash, patterns: "SELECT 1"}
}

// nativeHash is the hash of mysql_native_password, the one method that every MariaDB has: the others are plugins that
// somebody must install. It is weak for passwords that people choose; these are 256 random bits.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password)) //nolint:gosec // likewise
	twice := sha1.Sum(once[:])         //nolint:gosec // likewise
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
