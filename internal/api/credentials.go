package api

import (
	"context"
	"time"
)

// CredentialBody names the key to which the credential shall be sealed.
type CredentialBody struct {
	Recipient []byte `json:"recipient" doc:"An HPKE public key (RFC 9180, DHKEM P-256), uncompressed. With another key than before, the target issues anew and what was issued before stops working"`
}

// SealedCredential is a credential that only the holder of the recipient's private key can open. HPKE's info is made of
// tenant, grant, principal and attempt: see secret.Binding.
type SealedCredential struct {
	Grant     string `json:"grant"`
	Attempt   int    `json:"attempt"`
	Tenant    string `json:"tenant"`
	Principal string `json:"principal"`
	Recipient []byte `json:"recipient" doc:"The public key that it is sealed to"`
	// Ciphertext is the encapsulated key, then the ciphertext of package access's Credential as JSON.
	Ciphertext []byte    `json:"ciphertext" doc:"HPKE's encapsulated key, then its ciphertext"`
	IssuedAt   time.Time `json:"issued_at"`
}

type issueCredentialInput struct {
	ID   string `path:"id"`
	Body CredentialBody
}

type issueCredentialOutput struct{ Body SealedCredential }

func (s *surface) issueCredential(ctx context.Context, in *issueCredentialInput) (*issueCredentialOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	actor := actorOf(ctx)
	c, err := s.Engine.Credential(ctx, actor, id, in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	return &issueCredentialOutput{Body: SealedCredential{
		// The engine gives a credential to the grant's principal alone: the actor is who it is bound to.
		Grant: string(c.Grant), Attempt: c.Attempt, Tenant: string(s.Tenant), Principal: principalText(actor.ID),
		Recipient: c.Recipient, Ciphertext: c.Ciphertext, IssuedAt: utc(c.IssuedAt),
	}}, nil
}
