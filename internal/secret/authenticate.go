package secret

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// macBytes is the length of a MAC.
const macBytes = 16

// MACUnder authenticates parts under the key of a generation, for one purpose; 16 bytes of HMAC-SHA256. The error wraps ErrUnknownGeneration when Refresh may help.
func (s *Sealer) MACUnder(generation int, purpose string, parts ...string) ([]byte, error) {
	keys, err := s.generation(generation)
	if err != nil {
		return nil, err
	}
	return keys.authenticate(s.owner, purpose, parts), nil
}

// VerifyMAC finds the generation in hand whose key has made the MAC; 0 when none has. How long it takes depends on how many
// there are, and on nothing else.
func (s *Sealer) VerifyMAC(mac []byte, purpose string, parts ...string) (generation int) {
	for n, keys := range s.ring.Load().keys {
		generation |= n * subtle.ConstantTimeCompare(mac, keys.authenticate(s.owner, purpose, parts))
	}
	return generation
}

// SigningKey is the Ed25519 key of a generation for one purpose. It is derived, so that it is kept and rotated with the
// others. The error wraps ErrUnknownGeneration when Refresh may help.
func (s *Sealer) SigningKey(generation int, purpose string) (ed25519.PrivateKey, error) {
	keys, err := s.generation(generation)
	if err != nil {
		return nil, err
	}
	seed, err := hkdf.Expand(sha256.New, keys.sign, string(s.owner.lengthPrefixed(purpose)), ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func (s *Sealer) generation(n int) (*derivedKeys, error) {
	keys := s.ring.Load().keys[n]
	if keys == nil {
		return nil, fmt.Errorf("generation %d: %w", n, ErrUnknownGeneration)
	}
	return keys, nil
}

func (d *derivedKeys) authenticate(o Owner, purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, d.mac)
	h.Write(o.lengthPrefixed(append([]string{purpose}, parts...)...))
	return h.Sum(nil)[:macBytes]
}

// lengthPrefixed begins with whose the parts are.
func (o Owner) lengthPrefixed(parts ...string) []byte {
	return lengthPrefixed(append([]string{o.Installation, string(o.Tenant)}, parts...)...)
}
