package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/secret"
)

// person is somebody at the API: what they do goes the way that everybody's does.
type person struct {
	*client.ClientWithResponses
	id  access.PrincipalID
	key *secret.RecipientKey
}

func (d *demo) person(name string) (*person, error) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		return nil, err
	}
	token := d.folder.tokens[name]
	c, err := client.NewClientWithResponses(d.address, client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	return &person{ClientWithResponses: c, id: access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}, key: key}, err
}

// request asks for an entitlement and waits until that is granted or not.
func (p *person) request(ctx context.Context, entitlement string, d time.Duration, reason string) (client.Request, error) {
	r, err := p.SubmitRequestWithResponse(ctx, &client.SubmitRequestParams{Wait: "30s"}, client.RequestBody{
		Entitlements: []string{entitlement}, Duration: d.String(), Reason: reason, Recipient: p.key.Public(),
	})
	return read[client.Request](r, err)
}

// credential fetches a grant's credential and opens it.
func (p *person) credential(ctx context.Context, grant string) (c access.Credential, err error) {
	r, err := p.IssueCredentialWithResponse(ctx, grant, client.CredentialBody{Recipient: p.key.Public()})
	sealed, err := read[client.SealedCredential](r, err)
	if err != nil {
		return c, err
	}
	plain, err := p.key.Open(secret.Binding{
		Tenant: access.DefaultTenant, Grant: access.GrantID(grant), Principal: p.id, Attempt: int(sealed.Attempt),
	}, sealed.Ciphertext)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

// waitEnded asks until the grant has ended.
func (p *person) waitEnded(ctx context.Context, grant string) (client.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, takeBackLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := p.GetGrantWithResponse(ctx, grant)
		g, err := read[client.Grant](r, err)
		if err != nil || g.State == client.GrantState(access.GrantEnded) {
			return g, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return g, fmt.Errorf("the grant is still %s after %s: %s", g.State, takeBackLimit, g.LastError)
		}
	}
}

// response is what every generated response can say.
type response interface {
	StatusCode() int
	GetBody() []byte
}

// read makes a value of a successful answer, and an error of every other.
func read[T any](r response, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	if r.StatusCode() >= http.StatusMultipleChoices {
		var p client.Problem
		if err := json.Unmarshal(r.GetBody(), &p); err != nil || p.Detail == "" {
			return v, fmt.Errorf("the server answers with status %d", r.StatusCode())
		}
		return v, errors.New(p.Detail)
	}
	return v, json.Unmarshal(r.GetBody(), &v)
}
