package changecontrol

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Status is which version is in force, and which waits.
type Status struct {
	InForce store.Configuration
	// Waiting is nil when none does.
	Waiting *Waiting
}

// Waiting is a version that waits.
type Waiting struct {
	store.Configuration
	Judgement Judgement
	// Approvals are those that count.
	Approvals []store.ConfigurationApproval
	// Now and Next are the texts of the version in force and of this one.
	Now, Next []byte
}

// View is where things stand, as whoever serves can show it.
type View struct {
	Status
	// Diff says what the version that waits changes in the files.
	Diff string
	// Trouble is what keeps the node from serving a version that it should; empty where nothing does.
	Trouble string
}

// Status shows administrators and auditors where things stand.
func (c *Control) Status(ctx context.Context, actor access.Principal) (Status, error) {
	if d := c.Directory(); !d.HasRole(actor, access.RoleAdmin) && !d.HasRole(actor, access.RoleAuditor) {
		return Status{}, access.Errorf(access.KindDenied, "Only administrators and auditors see which configuration is in force.")
	}
	return c.Read(ctx)
}

// mayDecide refuses everybody but administrators by the version in force.
func (c *Control) mayDecide(actor access.Principal) error {
	if c.Directory().HasRole(actor, access.RoleAdmin) {
		return nil
	}
	return access.Errorf(access.KindDenied, "Only an administrator approves or rejects a version of the configuration.")
}

// Read reads where things stand, whoever looks.
func (c *Control) Read(ctx context.Context) (s Status, err error) {
	var waiting store.Configuration
	var approvals []store.ConfigurationApproval
	err = c.Store.View(ctx, func(tx store.Tx) (err error) {
		if s.InForce, err = tx.Configurations().Get(c.Tenant, store.ConfigurationInForce); err != nil {
			return err
		}
		waiting, err = tx.Configurations().Get(c.Tenant, store.ConfigurationWaiting)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		approvals, err = tx.Configurations().Approvals(c.Tenant)
		return err
	})
	if err != nil || waiting.Digest == "" {
		return s, err
	}
	now, err := c.InForce(ctx)
	if err != nil {
		return s, err
	}
	next, err := c.Waiting(ctx)
	switch {
	case err != nil:
		return s, err
	case now.Digest != s.InForce.Digest || next.Digest != waiting.Digest:
		return s, errMoved
	}
	w := &Waiting{Configuration: waiting, Now: now.Text, Next: next.Text}
	if w.Judgement, err = c.Judge.Judge(ctx, now, next); err != nil {
		return s, err
	}
	w.Approvals = w.Judgement.valid(approvals)
	s.Waiting = w
	return s, nil
}

// waiting reads the version that waits, which the caller knows by its digest.
func (c *Control) waiting(ctx context.Context, digest string) (Status, error) {
	s, err := c.Read(ctx)
	if err != nil {
		return s, err
	}
	waits := ""
	if s.Waiting != nil {
		waits = s.Waiting.Digest
	}
	return s, isIt(waits, digest)
}

// isIt refuses a word on another version than the one that waits.
func isIt(waits, digest string) error {
	switch waits {
	case "":
		return access.Errorf(access.KindConflict, "No version of the configuration waits; one came into force, or was withdrawn.")
	case digest:
		return nil
	}
	return access.Errorf(access.KindConflict, "Another version waits than the one that you have seen: look at it with `curfew config diff`.")
}

// Approve says that an administrator by the version in force agrees to the one that waits. It is in force once somebody
// carries that out: see Consider. Who has agreed may say so again when enough have, to have that tried once more.
func (c *Control) Approve(ctx context.Context, actor access.Principal, digest string) error {
	if err := c.mayDecide(actor); err != nil {
		return err
	}
	s, err := c.waiting(ctx, digest)
	if err != nil {
		return err
	}
	if err := s.Waiting.Judgement.mayApprove(actor); err != nil {
		return err
	}
	return c.Books.Change(ctx, txApproved, func(tx store.Tx, enter func(access.Event) error) error {
		now, err := c.digests(tx)
		if err != nil {
			return err
		}
		if now.InForce != s.InForce.Digest || now.Waiting != digest {
			return errMoved
		}
		list, err := tx.Configurations().Approvals(c.Tenant)
		if err != nil {
			return err
		}
		for _, a := range list {
			if a.Person != actor.Person {
				continue
			}
			if s.Waiting.Judgement.agreed(list) {
				return nil // it could not be taken over then
			}
			return access.Errorf(access.KindConflict, "You have approved this version already; another administrator must, too.")
		}
		err = tx.Configurations().Approve(store.ConfigurationApproval{Tenant: c.Tenant, Digest: digest, By: actor.ID, Person: actor.Person, At: tx.Now()})
		if err != nil {
			return err
		}
		return enter(access.Event{Kind: access.EventConfigApproved, Actor: actor.ID, Detail: map[string]string{"config": digest, "config_before": now.InForce}})
	})
}

// Reject withdraws the version that waits, on the word of an administrator, even one that nobody can read here. While the files say the same, it is proposed again
// when they are read again.
func (c *Control) Reject(ctx context.Context, actor access.Principal, digest, reason string) error {
	if err := c.mayDecide(actor); err != nil {
		return err
	}
	if reason == "" || len(reason) > access.MaxReason {
		return access.Errorf(access.KindInvalid, "Say why, in at most %d bytes.", access.MaxReason)
	}
	return c.Books.Change(ctx, txRejected, func(tx store.Tx, enter func(access.Event) error) error {
		now, err := c.digests(tx)
		if err != nil {
			return err
		}
		if err := isIt(now.Waiting, digest); err != nil {
			return err
		}
		if err := tx.Configurations().Withdraw(c.Tenant); err != nil {
			return err
		}
		return enter(access.Event{
			Kind: access.EventConfigRejected, Actor: actor.ID, Detail: map[string]string{"config": digest, "config_before": now.InForce, "by": "administrator"},
			Personal: map[string]string{"reason": reason},
		})
	})
}
