package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/curfewhq/curfew/internal/access"
)

// Flags of authenticator data (W3C Web Authentication, section 6.1).
const (
	flagUserPresent  = 1 << 0
	flagUserVerified = 1 << 2
)

// authenticatorHead is how long authenticator data is at least: the hash of the relying party, the flags, and the counter.
const authenticatorHead = sha256.Size + 1 + 4

// Verify holds a confirmation that was kept against itself, at any later time and without Curfew: whether who has the passkey's
// private half has signed just this, at pages of this address, after showing who they are. Whether the hash is that of a request
// or a review is for access.HashRequest and access.HashVerdict to tell, and whose the passkey was for the audit log.
func Verify(c access.Confirmation, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the address of the pages: %w", err)
	}
	var client struct {
		Type, Challenge, Origin string
		CrossOrigin             bool
	}
	if err := json.Unmarshal(c.ClientData, &client); err != nil {
		return fmt.Errorf("the client data cannot be read: %w", err)
	}
	party := sha256.Sum256([]byte(u.Hostname()))
	switch {
	case client.Type != "webauthn.get":
		return fmt.Errorf("it is a %.32q and no assertion", client.Type)
	case client.Challenge != base64.RawURLEncoding.EncodeToString(c.Challenge()):
		return errors.New("something else was signed")
	case client.Origin != u.Scheme+"://"+u.Host || client.CrossOrigin:
		return fmt.Errorf("it was signed at %.128q", client.Origin)
	case len(c.AuthenticatorData) < authenticatorHead || !bytes.Equal(c.AuthenticatorData[:sha256.Size], party[:]):
		return errors.New("it was signed for another relying party")
	case c.AuthenticatorData[sha256.Size]&flagUserPresent == 0, c.AuthenticatorData[sha256.Size]&flagUserVerified == 0:
		return errors.New("the authenticator did not verify its user")
	}
	key, err := webauthncose.ParsePublicKey(c.PublicKey)
	if err != nil {
		return fmt.Errorf("the public key cannot be read: %w", err)
	}
	hash := sha256.Sum256(c.ClientData)
	good, err := webauthncose.VerifySignature(key, append(bytes.Clone(c.AuthenticatorData), hash[:]...), c.Signature)
	if err != nil || !good {
		return errors.Join(errors.New("the signature is not that of the passkey"), err)
	}
	return nil
}
