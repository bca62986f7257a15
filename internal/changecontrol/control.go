// Package changecontrol decides which version of the configuration is in force, so that nobody who administers Curfew widens
// their own access alone by changing it.
//
// It owns the version that is in force, the one that waits, who must agree to that and who has, and their audit entries. It
// does not own what a version says and whom it widens (a Judge knows), nor taking it over: whoever serves does that.
package changecontrol

import (
	"context"
	"errors"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// The transactions of a Control.
const (
	txProposed store.TxName = "config-proposed"
	txApproved store.TxName = "config-approved"
	txRejected store.TxName = "config-rejected"
	txApplied  store.TxName = "config-applied"
)

// Books change what is kept.
type Books interface {
	// Change runs fn in one transaction, with the audit entries that it enters. fn may run more than once.
	Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error
}

// Version is a version of the configuration.
type Version struct {
	// Digest tells it from every other one.
	Digest string
	// Text is what it is read from. It is kept sealed.
	Text []byte
}

// Directory says who has which role. Implementations are safe for concurrent use.
type Directory interface {
	HasRole(p access.Principal, r access.Role) bool
}

// Config is what a Control stands on.
type Config struct {
	Store  store.Store
	Books  Books
	Sealer *secret.Sealer
	Tenant access.TenantID
	Judge  Judge
	// Directory is the one in force. It is asked when somebody approves, rejects or looks.
	Directory func() Directory
}

// Control keeps the versions. It is safe for concurrent use, by any number of nodes.
type Control struct {
	Config
}

// New makes a Control. It reads nothing.
func New(c Config) *Control { return &Control{c} }

// errMoved means that another node, or an administrator, was quicker.
var errMoved = access.Errorf(access.KindConflict, "Another version of the configuration was proposed, or came into force, at this moment; look again.")

// InForce reads the version in force; access.KindNotFound before the first.
func (c *Control) InForce(ctx context.Context) (Version, error) {
	return c.read(ctx, store.ConfigurationInForce)
}

// Waiting reads the version that waits; access.KindNotFound when none does.
func (c *Control) Waiting(ctx context.Context) (Version, error) {
	return c.read(ctx, store.ConfigurationWaiting)
}

func (c *Control) read(ctx context.Context, state store.ConfigurationState) (Version, error) {
	var sealed store.SealedConfiguration
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		sealed, err = tx.Configurations().Text(c.Tenant, state)
		return err
	})
	if err != nil {
		return Version{}, err
	}
	text, err := c.Sealer.Open(sealed.Place(), sealed.Bytes)
	if errors.Is(err, secret.ErrUnknownGeneration) {
		if err := c.Sealer.Refresh(ctx); err != nil {
			return Version{}, err
		}
		text, err = c.Sealer.Open(sealed.Place(), sealed.Bytes)
	}
	if err != nil {
		return Version{}, fmt.Errorf("the version of the configuration %s: %w", state, err)
	}
	return Version{Digest: sealed.Digest, Text: text}, nil
}

// Digests are those of the version in force and of the one that waits, empty where there is none, and how many have approved
// that one.
type Digests struct {
	InForce, Waiting string
	Approvals        int
}

// Digests reads no text, and so may be asked often.
func (c *Control) Digests(ctx context.Context) (d Digests, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) (err error) {
		d, err = c.digests(tx)
		return err
	})
	return d, err
}

func (c *Control) digests(tx store.Tx) (Digests, error) {
	inForce, err := tx.Configurations().Get(c.Tenant, store.ConfigurationInForce)
	if err = ignoreMissing(err); err != nil {
		return Digests{}, err
	}
	waiting, err := tx.Configurations().Get(c.Tenant, store.ConfigurationWaiting)
	if err = ignoreMissing(err); err != nil {
		return Digests{}, err
	}
	approvals, err := tx.Configurations().Approvals(c.Tenant)
	return Digests{InForce: inForce.Digest, Waiting: waiting.Digest, Approvals: len(approvals)}, err
}

func ignoreMissing(err error) error {
	if access.KindOf(err) == access.KindNotFound {
		return nil
	}
	return err
}

// put seals a version and has it kept in a transaction. A key that was destroyed meanwhile is left for the newest.
func (c *Control) put(ctx context.Context, name store.TxName, state store.ConfigurationState, v Version, fn func(tx store.Tx, enter func(access.Event) error, put func() error) error) error {
	for try := 1; ; try++ {
		place := store.SealedConfiguration{State: state, Digest: v.Digest}.Place()
		bytes, err := c.Sealer.Seal(place, v.Text)
		if err != nil {
			return err
		}
		generation, err := secret.GenerationOf(bytes)
		if err != nil {
			return err
		}
		err = c.Books.Change(ctx, name, func(tx store.Tx, enter func(access.Event) error) error {
			return fn(tx, enter, func() error {
				kept := store.Configuration{Tenant: c.Tenant, State: state, Digest: v.Digest, Since: tx.Now()}
				return tx.Configurations().Put(kept, store.Sealed{Generation: generation, Bytes: bytes})
			})
		})
		if access.KindOf(err) != access.KindConflict || err == nil || errors.Is(err, errMoved) || try > 1 {
			return err
		}
		if err := c.Sealer.Refresh(ctx); err != nil {
			return err
		}
	}
}
