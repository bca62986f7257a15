package changecontrol

import (
	"context"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Way is how a version comes into force.
type Way string

// The ways in which a version comes into force.
const (
	// FirstStart is that of the first version of all.
	FirstStart Way = "first start"
	// NobodyWidened needs nobody's agreement.
	NobodyWidened Way = "nobody is widened"
	// ByAdministrators is that of a version to which enough have agreed.
	ByAdministrators Way = "administrators"
	// SingleAdministrator is that of a version which widens the only administrator that there is.
	SingleAdministrator Way = "single administrator"
	// ByOperator is the word of who holds the machine and its key.
	ByOperator Way = "operator"
	// ByItself is that of a program which makes its configuration itself.
	ByItself Way = "program"
)

// Plan is what is to become of a version that was proposed.
type Plan struct {
	Version
	// Before is the digest of the version in force that it was held against; empty before the first.
	Before string
	// Stays says that the version is in force already.
	Stays bool
	// Way is how it comes into force; empty where it must wait.
	Way Way
	// Judgement is what it was decided by.
	Judgement Judgement
	// Reason is the operator's.
	Reason string
	// approvals are those that count.
	approvals []store.ConfigurationApproval
}

// Waits reports whether the version must wait.
func (p Plan) Waits() bool { return !p.Stays && p.Way == "" }

// Consider says what is to become of a version, and writes nothing.
func (c *Control) Consider(ctx context.Context, next Version) (Plan, error) {
	p := Plan{Version: next}
	inForce, err := c.InForce(ctx)
	if err = ignoreMissing(err); err != nil {
		return p, err
	}
	switch p.Before = inForce.Digest; p.Before {
	case "":
		p.Way = FirstStart
		return p, nil
	case next.Digest:
		p.Stays = true
		return p, nil
	}
	if p.Judgement, err = c.Judge.Judge(ctx, inForce, next); err != nil {
		return p, err
	}
	switch {
	case len(p.Judgement.Widened) == 0:
		p.Way = NobodyWidened
		return p, nil
	case p.Judgement.nobodyElse():
		p.Way = SingleAdministrator
		return p, nil
	}
	approvals, err := c.approvals(ctx, next.Digest)
	if err == nil && p.Judgement.agreed(approvals) {
		p.Way, p.approvals = ByAdministrators, p.Judgement.valid(approvals)
	}
	return p, err
}

// Order says that a version comes into force without anybody's agreement.
func (c *Control) Order(ctx context.Context, next Version, way Way, reason string) (Plan, error) {
	d, err := c.Digests(ctx)
	p := Plan{Version: next, Before: d.InForce, Stays: d.InForce == next.Digest, Reason: reason}
	if !p.Stays {
		p.Way = way
	}
	return p, err
}

// approvals are those of a version, if it is the one that waits.
func (c *Control) approvals(ctx context.Context, digest string) (list []store.ConfigurationApproval, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		list, err = tx.Configurations().Approvals(c.Tenant)
		return err
	})
	if len(list) > 0 && list[0].Digest != digest {
		return nil, err
	}
	return list, err
}

// Carry carries a plan out, as far as it is about the books: the version is in force then, or it waits. It is
// access.KindConflict when something else has come to be in force since the plan was made.
func (c *Control) Carry(ctx context.Context, p Plan) error {
	switch {
	case p.Stays:
		return c.stay(ctx, p)
	case p.Waits():
		return c.propose(ctx, p)
	default:
		return c.apply(ctx, p)
	}
}

// stay withdraws what waits, if something does.
func (c *Control) stay(ctx context.Context, p Plan) error {
	d, err := c.Digests(ctx)
	if err != nil || d.Waiting == "" {
		return err
	}
	return c.Books.Change(ctx, txRejected, func(tx store.Tx, enter func(access.Event) error) error {
		now, err := c.digests(tx)
		switch {
		case err != nil:
			return err
		case now.InForce != p.Digest:
			return errMoved
		case now.Waiting == "":
			return nil
		}
		if err := tx.Configurations().Withdraw(c.Tenant); err != nil {
			return err
		}
		return enter(access.Event{Kind: access.EventConfigRejected, Detail: map[string]string{
			"config": now.Waiting, "by": "the files, which say what is in force again",
		}})
	})
}

// propose has the version wait. When it does already, its approvals stay.
func (c *Control) propose(ctx context.Context, p Plan) error {
	d, err := c.Digests(ctx)
	if err != nil || d.Waiting == p.Digest {
		return err
	}
	return c.put(ctx, txProposed, store.ConfigurationWaiting, p.Version, func(tx store.Tx, enter func(access.Event) error, put func() error) error {
		now, err := c.digests(tx)
		switch {
		case err != nil:
			return err
		case now.InForce != p.Before:
			return errMoved
		case now.Waiting == p.Digest:
			return nil
		}
		if err := put(); err != nil {
			return err
		}
		return enter(access.Event{
			Kind:     access.EventConfigProposed,
			Detail:   map[string]string{"config": p.Digest, "config_before": p.Before, "replaces": now.Waiting},
			Personal: map[string]string{"widens": p.Judgement.widens()},
		})
	})
}

// apply puts the version in force. What waited is replaced by it.
func (c *Control) apply(ctx context.Context, p Plan) error {
	return c.put(ctx, txApplied, store.ConfigurationInForce, p.Version, func(tx store.Tx, enter func(access.Event) error, put func() error) error {
		now, err := c.digests(tx)
		switch {
		case err != nil:
			return err
		case now.InForce == p.Digest:
			return nil
		case now.InForce != p.Before:
			return errMoved
		case p.Way == ByAdministrators && (now.Waiting != p.Digest || now.Approvals < len(p.approvals)):
			return errMoved
		}
		if err := put(); err != nil {
			return err
		}
		if err := tx.Configurations().Withdraw(c.Tenant); err != nil {
			return err
		}
		var by []string
		for _, a := range p.approvals {
			by = append(by, a.By.String())
		}
		return enter(access.Event{
			Kind:     access.EventConfigApplied,
			Detail:   map[string]string{"config": p.Digest, "config_before": p.Before, "by": string(p.Way)},
			Personal: map[string]string{"widens": p.Judgement.widens(), "approved_by": strings.Join(by, ", "), "reason": p.Reason},
		})
	})
}
