package mysql

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestPasswordsAreLongAndDiffer(t *testing.T) {
	a, b := newPassword(), newPassword()
	if a == b || len(a) != 43 {
		t.Errorf("%d characters, twice the same: %t", len(a), a == b)
	}
}

// TestNativeHash compares with a server.
func TestNativeHash(t *testing.T) {
	p := start(t)
	for _, password := range []string{"123456", "é", strings.Repeat("x", 300), newPassword()} {
		if want := p.rows(t, `SELECT PASSWORD(?)`, password)[0][0]; nativeHash(password) != want {
			t.Errorf("the hash is %s, want %s", nativeHash(password), want)
		}
	}
}

// TestSHA256Crypt compares with what glibc and OpenSSL make.
func TestSHA256Crypt(t *testing.T) {
	for _, c := range []struct {
		salt, password string
		rounds         int
		want           string
	}{
		{"saltstring", "Hello world!", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{"saltstringsaltst", "Hello world!", 10000, "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"},
		{"short", "we have a short salt string but not a short password", 77777, "JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/"},
		{"roundstoolow", strings.Repeat("x", 100), 1000, "nflUBqU/Fgl4Nmkvg3hNDArgZTdYevg71bdZKYb/T.3"},
		{"abc", "", 5000, "bBHLwRRW2Li0XKaX13kz/g2fkDil4Jx46aNvd.48MS8"},
	} {
		if got := sha256Crypt([]byte(c.password), []byte(c.salt), c.rounds); got != c.want {
			t.Errorf("%q with %q: %s, want %s", c.password, c.salt, got, c.want)
		}
	}
}

// TestSHA2Hash compares with what a MySQL 8 has kept for the password "hashcat": the example that hashcat shows for its mode
// 7401.
func TestSHA2Hash(t *testing.T) {
	salt, err := hex.DecodeString("F9CC98CE08892924F50A213B6BC571A2C11778C5")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := hex.DecodeString("625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sha2Hash("hashcat", salt), "$A$005$"+string(salt)+string(digest); got != want {
		t.Errorf("the hash is %q, want %q", got, want)
	}
	a, b := newSHA2Hash("x"), newSHA2Hash("x")
	if a == b || len(a) != 70 || strings.ContainsFunc(a, func(r rune) bool { return r < '!' || r > '~' }) {
		t.Errorf("hashes of one password are %q and %q", a, b)
	}
}
