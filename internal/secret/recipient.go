package secret

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
)

// The suite is RFC 9180's DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: what browsers' WebCrypto can do as well.
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.P256()), hpke.HKDFSHA256(), hpke.AES256GCM()
}

// Binding is what a sealed credential belongs to. It cannot be opened under any other binding, so that ciphertexts can
// be neither swapped nor replayed.
type Binding struct {
	Tenant    access.TenantID
	Grant     access.GrantID
	Principal access.PrincipalID
	Attempt   int
}

// info is the binding as HPKE's info: a label, then each part with its length before it.
func (b Binding) info() []byte {
	return lengthPrefixed("curfew credential v1", string(b.Tenant), string(b.Grant), b.Principal.Issuer,
		b.Principal.Subject, fmt.Sprint(b.Attempt))
}

// lengthPrefixed joins parts so that no two lists of parts have the same bytes.
func lengthPrefixed(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// CheckRecipient reports whether the bytes are a public key that SealTo accepts.
func CheckRecipient(recipient []byte) error {
	kem, _, _ := suite()
	if _, err := kem.NewPublicKey(recipient); err != nil {
		return errors.New("the recipient is not an uncompressed P-256 public key of 65 bytes (RFC 9180, DHKEM P-256)")
	}
	return nil
}

// SealTo encrypts to the recipient's public key: the encapsulated key, then the ciphertext.
func SealTo(recipient []byte, b Binding, plaintext []byte) ([]byte, error) {
	kem, kdf, aead := suite()
	pk, err := kem.NewPublicKey(recipient)
	if err != nil {
		return nil, CheckRecipient(recipient)
	}
	sealed, err := hpke.Seal(pk, kdf, aead, b.info(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("sealing to the recipient: %w", err)
	}
	return sealed, nil
}

// RecipientKey is a requester's key pair. The private half never leaves the requester's machine.
type RecipientKey struct {
	private hpke.PrivateKey
}

// NewRecipientKey makes a key pair.
func NewRecipientKey() (*RecipientKey, error) {
	kem, _, _ := suite()
	k, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a recipient key: %w", err)
	}
	return &RecipientKey{private: k}, nil
}

// ParseRecipientKey reads what Bytes returned.
func ParseRecipientKey(b []byte) (*RecipientKey, error) {
	kem, _, _ := suite()
	k, err := kem.NewPrivateKey(b)
	if err != nil {
		return nil, errors.New("not a recipient key")
	}
	return &RecipientKey{private: k}, nil
}

// Public is the key to send with a request.
func (k *RecipientKey) Public() []byte { return k.private.PublicKey().Bytes() }

// Bytes is the private key, to be kept in a file with mode 0600.
func (k *RecipientKey) Bytes() ([]byte, error) { return k.private.Bytes() }

// Open decrypts what SealTo made for this key and this binding. Its error does not say which of the two was wrong.
func (k *RecipientKey) Open(b Binding, sealed []byte) ([]byte, error) {
	_, kdf, aead := suite()
	plain, err := hpke.Open(k.private, kdf, aead, b.info(), sealed)
	if err != nil {
		return nil, errors.New("this credential was not sealed to this key for this grant")
	}
	return plain, nil
}
