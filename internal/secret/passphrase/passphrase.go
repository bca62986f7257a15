// Package passphrase is the KeyWrapper whose key-encryption key is derived from a passphrase, with Argon2id (RFC 9106).
//
// It owns the form of what it wraps, with the salt and the parameters of the derivation in it, and the bounds on both. It
// does not own where the passphrase is kept, which a secret.Ref says.
package passphrase

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

var _ secret.KeyWrapper = (*Wrapper)(nil)

// MinLength is how many characters a passphrase has at least. The derivation makes guessing slow, not impossible.
const MinLength = 16

// Parameters say how much work a guess at the passphrase is.
type Parameters struct {
	// Passes over the memory, of which there are KiB, by so many Threads.
	Passes  uint32
	KiB     uint32
	Threads uint8
}

// Recommended are the parameters that RFC 9106 recommends where memory is scarce. They take a few tenths of a second, once
// a start.
func Recommended() Parameters { return Parameters{Passes: 3, KiB: 64 << 10, Threads: 4} }

// The bounds of what is derived for wrapped bytes, which come from the store: less is not what Wrap writes, and more
// would let whoever can write there keep a node from starting.
func (p Parameters) check() error {
	const maxPasses, minKiB, maxKiB, maxThreads = 16, 8 << 10, 1 << 20, 16
	if p.Passes < 1 || p.Passes > maxPasses || p.KiB < minKiB || p.KiB > maxKiB || p.Threads < 1 || p.Threads > maxThreads {
		return fmt.Errorf("Argon2id with %d passes over %d KiB by %d threads is out of bounds (1 to %d, %d to %d, 1 to %d)",
			p.Passes, p.KiB, p.Threads, maxPasses, minKiB, maxKiB, maxThreads)
	}
	return nil
}

// Wrapped bytes are: the version, the parameters, the salt, and what AES-256-GCM with a random nonce makes of the key. All
// that stands before is authenticated with it.
const (
	version     = 1
	saltBytes   = 16
	headerBytes = 1 + 4 + 4 + 1 + saltBytes
	keyBytes    = 32
)

// maxDerived bounds how many derived keys are held: one for each salt.
const maxDerived = 64

// Wrapper wraps data keys with AES-256-GCM under a key derived from the passphrase.
type Wrapper struct {
	passphrase []byte
	parameters Parameters
	salt       [saltBytes]byte

	mu sync.Mutex
	// derived holds the cipher of each header that was met, since deriving is slow on purpose.
	derived map[[headerBytes]byte]cipher.AEAD
}

// New makes a Wrapper. All that it wraps has one salt of its own and these parameters.
func New(passphrase string, p Parameters) (*Wrapper, error) {
	if n := utf8.RuneCountInString(passphrase); n < MinLength {
		return nil, access.Errorf(access.KindMisconfigured,
			"the passphrase has %d characters, and %d are the least: it stands between a copy of the store and everything in it", n, MinLength)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	w := &Wrapper{passphrase: []byte(passphrase), parameters: p, derived: map[[headerBytes]byte]cipher.AEAD{}}
	rand.Read(w.salt[:])
	return w, nil
}

// Name implements secret.KeyWrapper. Nothing of the passphrase is in it: a fingerprint would be something to try guesses on.
func (w *Wrapper) Name() string { return "passphrase" }

// Wrap implements secret.KeyWrapper.
func (w *Wrapper) Wrap(_ context.Context, id secret.KeyID, key []byte) ([]byte, error) {
	head := w.header()
	aead, err := w.aead(head)
	if err != nil {
		return nil, err
	}
	return aead.Seal(head[:], nil, key, additional(head, id)), nil
}

// Unwrap implements secret.KeyWrapper.
func (w *Wrapper) Unwrap(_ context.Context, id secret.KeyID, wrapped []byte) ([]byte, error) {
	if len(wrapped) < headerBytes || wrapped[0] != version {
		return nil, errors.New("this key was not wrapped by a passphrase")
	}
	head := [headerBytes]byte(wrapped[:headerBytes])
	aead, err := w.aead(head)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, nil, wrapped[headerBytes:], additional(head, id))
	if err != nil {
		return nil, access.Errorf(access.KindMisconfigured, "the passphrase is wrong, or the wrapped key was changed in the store")
	}
	return key, nil
}

func (w *Wrapper) header() (head [headerBytes]byte) {
	head[0] = version
	binary.BigEndian.PutUint32(head[1:], w.parameters.Passes)
	binary.BigEndian.PutUint32(head[5:], w.parameters.KiB)
	head[9] = w.parameters.Threads
	copy(head[10:], w.salt[:])
	return head
}

func parametersOf(head [headerBytes]byte) (p Parameters, salt []byte) {
	return Parameters{Passes: binary.BigEndian.Uint32(head[1:]), KiB: binary.BigEndian.Uint32(head[5:]), Threads: head[9]}, head[10:]
}

// aead derives the key that belongs to a header.
func (w *Wrapper) aead(head [headerBytes]byte) (cipher.AEAD, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if aead, there := w.derived[head]; there {
		return aead, nil
	}
	p, salt := parametersOf(head)
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(w.derived) >= maxDerived {
		clear(w.derived)
	}
	key := argon2.IDKey(w.passphrase, salt, p.Passes, p.KiB, p.Threads, keyBytes)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err == nil {
		w.derived[head] = aead
	}
	return aead, err
}

func additional(head [headerBytes]byte, id secret.KeyID) []byte {
	return append(head[:], id.Bytes()...)
}
