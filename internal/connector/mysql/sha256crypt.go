package mysql

import (
	"crypto/sha256"
	"slices"
)

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// sha256Crypt is the digest of Ulrich Drepper's SHA-crypt with SHA-256, which MySQL uses with a salt of its own length. The
// steps have the numbers of his specification (https://www.akkadia.org/drepper/SHA-crypt.txt).
func sha256Crypt(password, salt []byte, rounds int) string {
	b := sha256.Sum256(slices.Concat(password, salt, password)) // 4–8
	first := slices.Concat(password, salt, stretch(b[:], len(password)))
	for n := len(password); n > 0; n >>= 1 { // 11
		if n&1 == 1 {
			first = append(first, b[:]...)
		} else {
			first = append(first, password...)
		}
	}
	a := sha256.Sum256(first)
	dp := sha256.Sum256(slices.Repeat(password, len(password))) // 13–15
	p := stretch(dp[:], len(password))
	ds := sha256.Sum256(slices.Repeat(salt, 16+int(a[0]))) // 17–19
	s := stretch(ds[:], len(salt))
	for i := range rounds { // 21
		var c []byte
		odd := i%2 == 1
		c = append(c, pick(odd, p, a[:])...)
		if i%3 != 0 {
			c = append(c, s...)
		}
		if i%7 != 0 {
			c = append(c, p...)
		}
		c = append(c, pick(odd, a[:], p)...)
		a = sha256.Sum256(c)
	}
	return cryptEncode(a)
}

func pick(first bool, a, b []byte) []byte {
	if first {
		return a
	}
	return b
}

// stretch repeats a digest until it has n bytes.
func stretch(digest []byte, n int) []byte {
	return slices.Repeat(digest, n/len(digest)+1)[:n]
}

// cryptEncode writes a digest in crypt's base 64, in the order of step 22.
func cryptEncode(d [sha256.Size]byte) string {
	out := make([]byte, 0, 43)
	write := func(v uint, n int) {
		for range n {
			out = append(out, cryptAlphabet[v&63])
			v >>= 6
		}
	}
	x, y, z := 0, 10, 20
	for range 10 {
		write(uint(d[x])<<16|uint(d[y])<<8|uint(d[z]), 4)
		x, y, z = z+1, x+1, y+1
	}
	write(uint(d[31])<<8|uint(d[30]), 3)
	return string(out)
}
