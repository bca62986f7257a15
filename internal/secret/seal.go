package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
)

// KeyWrapper holds the key-encryption key. It is asked once per tenant and start, never per value. Implementations are
// safe for concurrent use.
type KeyWrapper interface {
	// Wrap encrypts a tenant's data key.
	Wrap(ctx context.Context, tenant access.TenantID, key []byte) ([]byte, error)
	// Unwrap is its inverse. A wrapped key of another tenant, or made with another key-encryption key, is an error.
	Unwrap(ctx context.Context, tenant access.TenantID, wrapped []byte) ([]byte, error)
}

// keyBytes is the length of data keys: AES-256.
const keyBytes = 32

// NewDataKey makes a tenant's data key and wraps it.
func NewDataKey(ctx context.Context, w KeyWrapper, tenant access.TenantID) (wrapped []byte, err error) {
	key := make([]byte, keyBytes)
	rand.Read(key)
	wrapped, err = w.Wrap(ctx, tenant, key)
	clear(key)
	if err != nil {
		return nil, fmt.Errorf("wrapping the data key of tenant %s: %w", tenant, err)
	}
	return wrapped, nil
}

// Place is where sealed bytes are kept. Bytes that are moved to another place do not open.
type Place struct {
	Table  string
	Row    string
	Column string
	// Version is the version of the plaintext's format.
	Version int
}

func (p Place) bytes(tenant access.TenantID) []byte {
	return lengthPrefixed("curfew place v1", string(tenant), p.Table, p.Row, p.Column, fmt.Sprint(p.Version))
}

// Sealer seals one tenant's values at rest with AES-256-GCM. Each place has a key of its own, derived from the data
// key, so that random nonces never come near their limit. It is safe for concurrent use.
type Sealer struct {
	tenant access.TenantID
	seal   []byte
	mac    []byte
	sign   []byte
}

// sealedV1 is the first byte of everything that Seal returns.
const sealedV1 = 1

// errSealed says no more than that: which part was wrong is of use to an attacker only.
var errSealed = errors.New("the sealed bytes do not open here: wrong key, wrong place, or changed")

// OpenSealer unwraps the tenant's data key.
func OpenSealer(ctx context.Context, w KeyWrapper, tenant access.TenantID, wrapped []byte) (*Sealer, error) {
	key, err := w.Unwrap(ctx, tenant, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrapping the data key of tenant %s: %w", tenant, err)
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("the data key of tenant %s has %d bytes, not %d", tenant, len(key), keyBytes)
	}
	defer clear(key)
	seal, err := hkdf.Expand(sha256.New, key, "curfew seal v1", keyBytes)
	if err != nil {
		return nil, err
	}
	mac, err := hkdf.Expand(sha256.New, key, "curfew mac v1", keyBytes)
	if err != nil {
		return nil, err
	}
	sign, err := hkdf.Expand(sha256.New, key, "curfew sign v1", keyBytes)
	if err != nil {
		return nil, err
	}
	return &Sealer{tenant: tenant, seal: seal, mac: mac, sign: sign}, nil
}

// Seal encrypts plaintext for the place.
func (s *Sealer) Seal(p Place, plaintext []byte) ([]byte, error) {
	aead, place, err := s.aead(p)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{sealedV1}, nil, plaintext, place), nil
}

// Open decrypts what Seal made for the same place.
func (s *Sealer) Open(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealedV1 {
		return nil, errSealed
	}
	aead, place, err := s.aead(p)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[1:], place)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func (s *Sealer) aead(p Place) (cipher.AEAD, []byte, error) {
	place := p.bytes(s.tenant)
	key, err := hkdf.Expand(sha256.New, s.seal, string(place), keyBytes)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return aead, place, err
}

// MAC authenticates parts under the tenant's key for one purpose; 16 bytes of HMAC-SHA256.
func (s *Sealer) MAC(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write(lengthPrefixed(append([]string{purpose, string(s.tenant)}, parts...)...))
	return h.Sum(nil)[:16]
}

// SigningKey is the tenant's Ed25519 key for one purpose. It is derived, so that it is kept and rotated with the data key.
func (s *Sealer) SigningKey(purpose string) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Expand(sha256.New, s.sign, string(lengthPrefixed(purpose, string(s.tenant))), ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
