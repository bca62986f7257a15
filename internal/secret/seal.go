package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/curfewhq/curfew/internal/access"
)

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

// Sealed bytes begin with a header: the version of the form, and the generation of the key that sealed them. It is
// authenticated with the rest.
const (
	sealedVersion = 2
	headerBytes   = 1 + 4
)

func header(generation int) []byte {
	return binary.BigEndian.AppendUint32([]byte{sealedVersion}, uint32(generation))
}

// errSealed says no more than that: which part was wrong is of use to an attacker only.
var errSealed = errors.New("the sealed bytes do not open here: wrong key, wrong place, or changed")

// GenerationOf reads from sealed bytes which generation of the keys has sealed them.
func GenerationOf(sealed []byte) (int, error) {
	if len(sealed) < headerBytes || sealed[0] != sealedVersion {
		return 0, errSealed
	}
	generation := binary.BigEndian.Uint32(sealed[1:headerBytes])
	if generation == 0 || generation > math.MaxInt32 {
		return 0, errSealed
	}
	return int(generation), nil
}

// Seal encrypts plaintext for the place, with AES-256-GCM under the newest key. Each place has a key of its own, derived
// from that, so that random nonces never come near their limit.
func (s *Sealer) Seal(p Place, plaintext []byte) ([]byte, error) {
	ring := s.ring.Load()
	aead, place, err := ring.keys[ring.newest].aead(s.owner.Tenant, p)
	if err != nil {
		return nil, err
	}
	head := header(ring.newest)
	return aead.Seal(head, nil, plaintext, append(header(ring.newest), place...)), nil
}

// Open decrypts what Seal made for the same place. The error wraps ErrUnknownGeneration when Refresh may help.
func (s *Sealer) Open(p Place, sealed []byte) ([]byte, error) {
	generation, err := GenerationOf(sealed)
	if err != nil {
		return nil, err
	}
	keys := s.ring.Load().keys[generation]
	if keys == nil {
		return nil, fmt.Errorf("generation %d: %w", generation, ErrUnknownGeneration)
	}
	if keys.seal == nil {
		return nil, fmt.Errorf("what generation %d of the keys has sealed opens no more: that key was destroyed", generation)
	}
	aead, place, err := keys.aead(s.owner.Tenant, p)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[headerBytes:], append(header(generation), place...))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// aead makes the cipher of a place, and the place as additional data.
func (d *derivedKeys) aead(tenant access.TenantID, p Place) (cipher.AEAD, []byte, error) {
	place := p.bytes(tenant)
	key, err := hkdf.Expand(sha256.New, d.seal, string(place), keyBytes)
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
