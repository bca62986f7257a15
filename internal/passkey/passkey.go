// Package passkey has humans confirm what they mean with a passkey (W3C Web Authentication), in a browser, while the program that
// asked for it waits.
//
// It owns the ceremonies: registering a passkey, confirming a request or a review, recovery codes, the pages for all of it, and
// verifying what was confirmed. It does not own what a confirmation leads to (package engine), nor who somebody is (package
// directory).
package passkey

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/ratelimit"
	"github.com/curfewhq/curfew/internal/store"
)

// Engine is what passkeys are for. package engine has it.
type Engine interface {
	ToConfirm(ctx context.Context, actor access.Principal, id access.RequestID) (engine.Confirmable, error)
	ToConfirmReview(ctx context.Context, actor access.Principal, id access.RequestID, o engine.Opinion) (engine.Confirmable, error)
	Confirm(ctx context.Context, actor access.Principal, s engine.SecondFactor) (access.Request, error)
	Review(ctx context.Context, actor access.Principal, id access.RequestID, o engine.Opinion) (access.Request, error)
	// Change runs fn in one transaction, with the audit entries that it enters. fn may run more than once.
	Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error
}

// Directory knows who somebody is now.
type Directory interface {
	Principal(ctx context.Context, id access.PrincipalID) (access.Principal, error)
	HasRole(p access.Principal, r access.Role) bool
}

// Config is what a Keeper stands on. Every field is required.
type Config struct {
	// URL is where people reach Curfew, without a trailing slash. Its host is the relying party.
	URL       string
	Engine    Engine
	Store     store.Store
	Directory func() Directory
	IDs       access.IDs
	Tenant    access.TenantID
	Now       func() time.Time
	Log       *slog.Logger
}

// Keeper keeps passkeys, and what is under way with them. It is safe for concurrent use.
type Keeper struct {
	config Config
	party  *webauthn.WebAuthn
	mux    *http.ServeMux
	// acts bound how often a client posts.
	acts *ratelimit.Limiter
}

// New makes a Keeper. Without a URL, or under one that browsers have no passkeys for, everything that needs a browser is
// access.KindMisconfigured.
func New(c Config) (*Keeper, error) {
	k := &Keeper{config: c, mux: http.NewServeMux(), acts: ratelimit.New(60, 60)}
	k.routes()
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("server.url: %w", err)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Hostname() == "" {
		return k, nil
	}
	k.party, err = webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Curfew", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil { // as for the number of a host
		c.Log.Warn("there are no passkeys under server.url", "error", err)
		k.party = nil
	}
	return k, nil
}

// Lifetimes of what is under way.
const (
	// ceremonyLifetime is how long somebody may take to confirm.
	ceremonyLifetime = 10 * time.Minute
	// invitationLifetime is how long an invitation is good.
	invitationLifetime = 24 * time.Hour
	// freshness is how long after signing in somebody may register their first passkey.
	freshness = 10 * time.Minute
)

// The keeper's transactions.
const (
	txBegun      store.TxName = "ceremony-begun"
	txProgressed store.TxName = "ceremony-progressed"
	txEnded      store.TxName = "ceremony-ended"
)

// housekeeping is how many ceremonies that are over one new one deletes.
const housekeeping = 100

// Passkeys lists a human's passkeys, oldest first, and how many recovery codes they have left.
func (k *Keeper) Passkeys(ctx context.Context, by access.Principal) (list []access.Passkey, codes int, err error) {
	err = k.config.Store.View(ctx, func(tx store.Tx) error {
		if list, err = tx.Passkeys().List(k.config.Tenant, by.ID); err != nil {
			return err
		}
		codes, err = tx.RecoveryCodes().Left(k.config.Tenant, by.ID)
		return err
	})
	return list, codes, err
}

// user is a human as the relying party knows them.
type user struct {
	access.Principal
	tenant   access.TenantID
	passkeys []access.Passkey
}

// WebAuthnID implements webauthn.User. It is no name, since authenticators keep it in the clear.
func (u user) WebAuthnID() []byte { return handle(u.tenant, u.ID) }

// WebAuthnName implements webauthn.User.
func (u user) WebAuthnName() string { return u.ID.String() }

// WebAuthnDisplayName implements webauthn.User.
func (u user) WebAuthnDisplayName() string {
	if u.Name != "" {
		return u.Name
	}
	return u.ID.Subject
}

// WebAuthnCredentials implements webauthn.User.
func (u user) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, len(u.passkeys))
	for i, p := range u.passkeys {
		list[i] = webauthn.Credential{
			ID: p.CredentialID, PublicKey: p.PublicKey, Authenticator: webauthn.Authenticator{SignCount: p.Counter},
			Flags: webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: p.BackupEligible, BackupState: p.BackedUp},
		}
	}
	return list
}
