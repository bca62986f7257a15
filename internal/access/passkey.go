package access

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// PasskeyID names a passkey. It has the prefix "pk_".
type PasskeyID string

// CeremonyID names a ceremony. It has the prefix "cer_".
type CeremonyID string

// Prefixes of what is about passkeys.
const (
	PasskeyPrefix  = "pk_"
	CeremonyPrefix = "cer_"
)

// Passkey is a public key whose private half an authenticator of a human keeps (W3C Web Authentication).
type Passkey struct {
	ID        PasskeyID
	Tenant    TenantID
	Principal PrincipalID
	Person    PersonID
	// Label is by which people tell their passkeys apart.
	Label string
	// CredentialID is the authenticator's own name for it.
	CredentialID []byte
	// PublicKey is a COSE key (RFC 9052).
	PublicKey []byte
	// Counter is the highest signature counter seen; an authenticator that has none stays at 0.
	Counter uint32
	// BackupEligible says that the authenticator may copy it to others, BackedUp that it has.
	BackupEligible, BackedUp bool
	CreatedAt                time.Time
	UsedAt                   time.Time
	Version                  int64
}

// Confirmation is a human's word, given with a passkey, that they mean one request or one review. It is kept whole, so that
// anybody can verify it later without Curfew.
type Confirmation struct {
	Tenant  TenantID
	Request RequestID
	// Review is the review that it is of; empty where the request itself is confirmed.
	Review    ReviewID
	Principal PrincipalID
	Person    PersonID
	Passkey   PasskeyID
	// Hash is of what is confirmed: a request's own hash, or HashVerdict of a review.
	Hash []byte
	// Nonce is random, and makes no two challenges alike.
	Nonce []byte
	// CredentialID and PublicKey are the passkey's, which may be gone by the time that somebody verifies this.
	CredentialID, PublicKey []byte
	// ClientData, AuthenticatorData and Signature are the authenticator's answer, as it came. The challenge in ClientData is
	// Challenge.
	ClientData, AuthenticatorData, Signature []byte
	At                                       time.Time
}

// Challenge is what the authenticator signs: it binds who confirms, and what, to a nonce.
func (c Confirmation) Challenge() []byte {
	return hashOf("curfew confirmation 1", struct {
		Tenant      TenantID
		Request     RequestID
		Principal   PrincipalID
		Person      PersonID
		Hash, Nonce []byte
	}{c.Tenant, c.Request, c.Principal, c.Person, c.Hash, c.Nonce})
}

// HashVerdict is SHA-256 over what a review is of, its Hash, and what it says.
func HashVerdict(rv Review) []byte {
	return hashOf("curfew verdict 1", struct {
		Hash    []byte
		Verdict Verdict
		Cap     time.Duration
		Comment string
	}{rv.Hash, rv.Verdict, rv.Cap, rv.Comment})
}

// hashOf is SHA-256 over a purpose and plain values. The members of a struct have a fixed order.
func hashOf(purpose string, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("access: plain values always marshal: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte(purpose+"\n"), b...))
	return sum[:]
}

// Ceremony is something that a human does in a browser with a passkey, as the program that waits for it sees it.
type Ceremony struct {
	ID CeremonyID
	// Until is when it is too late.
	Until time.Time
	// DoneAt is when it was done; zero until then.
	DoneAt time.Time
}
