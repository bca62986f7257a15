package engine

import (
	"context"
	"encoding/hex"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// pseudonymPrefix and as many random bytes in hexadecimal make a pseudonym.
	pseudonymPrefix = "erased-"
	pseudonymBytes  = 6
	// maxForgetPrincipals bounds the accounts that an order names.
	maxForgetPrincipals = 100
)

// ForgetOrder says whom to forget.
type ForgetOrder struct {
	Person access.PersonID
	// Principals are further accounts of theirs: of one who has left the directory, and has asked for and reviewed nothing
	// under them, the books do not know whose they were.
	Principals []access.PrincipalID
}

// ForgetPlan is what forgetting somebody would change.
type ForgetPlan struct {
	// Counts is how many of each kind of thing would be changed.
	Counts map[string]int
	// InDirectory are the accounts of theirs that the directory has still: new entries will name them again.
	InDirectory []access.PrincipalID
}

// PlanForget says what Forget would change, and refuses what it refuses. It reads everything that is kept.
func (e *Engine) PlanForget(ctx context.Context, actor access.Principal, o ForgetOrder) (ForgetPlan, error) {
	v, known, err := e.beginForget(ctx, actor, o)
	if err != nil {
		return ForgetPlan{}, err
	}
	if v.Counts, err = e.countErasure(ctx, v); err != nil {
		return ForgetPlan{}, err
	}
	if len(known) == 0 && len(v.Counts) == 0 {
		return ForgetPlan{}, nobody(o.Person)
	}
	return ForgetPlan{Counts: v.Counts, InDirectory: known}, nil
}

// calledBefore finds the profiles that were of the person before they were linked with others. It looks at all.
func (e *Engine) calledBefore(ctx context.Context, person access.PersonID) (were []access.Profile, err error) {
	page := store.Page{Limit: maxProfiles}
	for {
		var profiles []access.Profile
		err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
			profiles, page.After, err = tx.Profiles().List(e.cfg.Tenant, store.ProfileFilter{}, page)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range profiles {
			if slices.Contains(p.Formerly, person) {
				were = append(were, p)
			}
		}
		if page.After == "" {
			return were, nil
		}
	}
}

// refuseFormerly is an error while what the person was called before is not forgotten: what was written then goes by that name,
// and nobody would know it to be theirs any more.
func refuseFormerly(tx store.Tx, tenant access.TenantID, person access.PersonID) error {
	profiles, _, err := tx.Profiles().List(tenant, store.ProfileFilter{Person: person}, store.Page{Limit: maxProfiles})
	if err != nil {
		return err
	}
	for _, p := range profiles {
		for _, name := range p.Formerly {
			return access.Errorf(access.KindConflict, "Before accounts of theirs were linked they were the person %s too: have that one forgotten first.", name)
		}
	}
	return nil
}

// Forget has a person forgotten, durably, and returns at once; Erase does it, and enters that it was done. Who has something
// under way cannot be forgotten: what is taken back is found by their name.
func (e *Engine) Forget(ctx context.Context, actor access.Principal, o ForgetOrder, reason string) (access.Erasure, error) {
	if err := checkReason(reason); err != nil {
		return access.Erasure{}, err
	}
	v, known, err := e.beginForget(ctx, actor, o)
	if err != nil {
		return access.Erasure{}, err
	}
	if mentions(reason, v) {
		return access.Erasure{}, access.Errorf(access.KindInvalid, "The reason stays in the audit log: say why without naming the person.")
	}
	if len(known) == 0 {
		counts, err := e.countErasure(ctx, v)
		if err != nil {
			return access.Erasure{}, err
		}
		if len(counts) == 0 {
			return access.Erasure{}, nobody(o.Person)
		}
	}
	random := make([]byte, pseudonymBytes)
	if _, err := io.ReadFull(e.cfg.Random, random); err != nil {
		return access.Erasure{}, err
	}
	v.ID = access.ErasureID(e.cfg.IDs.New(access.ErasurePrefix))
	v.By, v.Reason, v.Pseudonym = actor.ID, reason, access.PersonID(pseudonymPrefix+hex.EncodeToString(random))
	err = e.update(ctx, txForget, func(c *change) error {
		v := v
		v.BegunAt = c.Now()
		if err := c.refuseUnderWay(v.Person); err != nil {
			return err
		}
		c.wake = append(c.wake, erasuresLane)
		return c.Erasures().Insert(v)
	})
	if err != nil {
		return access.Erasure{}, err
	}
	return e.Erasure(ctx, actor, v.ID)
}

// Erasure is how far somebody has been forgotten.
func (e *Engine) Erasure(ctx context.Context, actor access.Principal, id access.ErasureID) (v access.Erasure, err error) {
	if !e.seesAll(actor) {
		return v, access.Errorf(access.KindDenied, "Only administrators and auditors see who is being forgotten.")
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		v, err = tx.Erasures().Get(e.cfg.Tenant, id)
		return err
	})
	return v, err
}

// beginForget checks an order, and returns the erasure that it would be with the accounts that the directory has.
func (e *Engine) beginForget(ctx context.Context, actor access.Principal, o ForgetOrder) (v access.Erasure, known []access.PrincipalID, err error) {
	switch {
	case !e.directory().HasRole(actor, access.RoleAdmin):
		return v, nil, access.Errorf(access.KindDenied, "Only an administrator has somebody forgotten.")
	case actor.Person == o.Person:
		return v, nil, access.Errorf(access.KindDenied, "Nobody has themselves forgotten: another administrator must do it.")
	case len(o.Principals) > maxForgetPrincipals:
		return v, nil, access.Errorf(access.KindInvalid, "An order names %d accounts at most.", maxForgetPrincipals)
	case strings.HasPrefix(string(o.Person), pseudonymPrefix):
		return v, nil, access.Errorf(access.KindInvalid, "This is the pseudonym of somebody who has been forgotten.")
	}
	selector, err := policy.ParseSelector("person:" + string(o.Person))
	if err != nil {
		return v, nil, access.Wrap(access.KindInvalid, err, "This is not the name of a person.")
	}
	members, err := e.directory().Members(ctx, selector)
	if err != nil {
		return v, nil, err
	}
	v = access.Erasure{Tenant: e.cfg.Tenant, Person: o.Person}
	for _, p := range members {
		// Who is forgotten is an administrator no more, until their source tells of them anew: the last who could disagree with another
		// would be gone by that one's word alone. Whom the configuration lists stays, whatever is forgotten.
		if p.ID.Issuer != access.StaticIssuer && e.directory().HasRole(p, access.RoleAdmin) {
			return v, nil, access.Errorf(access.KindConflict, "%s is an administrator: take the role from them first, at the source that tells of them or in the configuration.", p.ID)
		}
		v.Principals, known = append(v.Principals, p.ID), append(known, p.ID)
	}
	was, err := e.calledBefore(ctx, o.Person)
	if err != nil {
		return v, nil, err
	}
	for _, p := range was {
		if p.Person == actor.Person {
			return v, nil, access.Errorf(access.KindDenied, "Nobody has themselves forgotten, whatever they were called before their accounts were linked: another administrator must do it.")
		}
		v.Principals = append(v.Principals, p.ID)
	}
	for _, id := range o.Principals {
		person, err := e.personOf(ctx, id)
		switch {
		case err == nil && person != o.Person:
			return v, nil, access.Errorf(access.KindInvalid, "The principal %s is another person's.", id)
		case err != nil && !is(err, access.KindNotFound):
			return v, nil, err
		}
		v.Principals = union(v.Principals, id)
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error { return e.refuseInUse(tx, v.Person) })
	return v, known, err
}

func nobody(person access.PersonID) error {
	return access.Errorf(access.KindNotFound, "Neither the directory nor the books know the person %.128q.", person)
}

// mentions reports whether a reason names whom it is about, as a word.
func mentions(reason string, v access.Erasure) bool {
	words := []string{regexp.QuoteMeta(string(v.Person))}
	for _, id := range v.Principals {
		words = append(words, regexp.QuoteMeta(id.Subject))
	}
	pattern, err := regexp.Compile(`(?i)(^|[^\pL\pN])(` + strings.Join(words, "|") + `)($|[^\pL\pN])`)
	return err == nil && pattern.MatchString(reason)
}

// refuseUnderWay is an error while the person waits for access, has some, or is frozen.
func (c *change) refuseUnderWay(person access.PersonID) error {
	if err := refuseFrozenPerson(c.Tx, c.engine.cfg.Tenant, person); err != nil {
		return err
	}
	return refusePending(c.Tx, c.engine.cfg.Tenant, person)
}

// refuseInUse is an error while something is under way for the person, or is watched still: access that has ended is
// looked at again for a day, for which its plan is needed.
func (e *Engine) refuseInUse(tx store.Tx, person access.PersonID) error {
	if err := refuseFormerly(tx, e.cfg.Tenant, person); err != nil {
		return err
	}
	if err := refuseFrozenPerson(tx, e.cfg.Tenant, person); err != nil {
		return err
	}
	if err := refusePending(tx, e.cfg.Tenant, person); err != nil {
		return err
	}
	page := store.Page{Limit: erasePage}
	for first := true; first || page.After != ""; first = false {
		grants, next, err := tx.Grants().List(e.cfg.Tenant, store.GrantFilter{Person: person}, page)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if free := freeAt(g); free.After(tx.Now()) {
				return access.Errorf(access.KindConflict, "The grant %s has ended, and its target is looked at again until %s: have the person forgotten after that.",
					g.ID, free.UTC().Format(time.RFC3339))
			}
			if !g.DueAt.IsZero() {
				return access.Errorf(access.KindConflict, "The grant %s has ended, and something of it is left to tidy at its target: have the person forgotten when that is done.", g.ID)
			}
		}
		page.After = next
	}
	return nil
}

// freeAt is when an ended grant is no longer looked at.
func freeAt(g access.Grant) time.Time { return g.EndedAt.Add(reobserve) }

func refuseFrozenPerson(tx store.Tx, tenant access.TenantID, person access.PersonID) error {
	covering, err := tx.Freezes().Covering(tenant, person, "")
	if err != nil {
		return err
	}
	for _, f := range covering {
		if f.Scope == access.FreezePerson {
			return access.Errorf(access.KindConflict, "The person is frozen, and forgetting them would lift that: curfew unfreeze %s first.", f.ID)
		}
	}
	return nil
}

func refusePending(tx store.Tx, tenant access.TenantID, person access.PersonID) error {
	pending, _, err := tx.Requests().List(tenant, store.RequestFilter{Person: person, State: access.RequestPending}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	for _, r := range pending {
		return access.Errorf(access.KindConflict, "The request %s of this person is pending: have it withdrawn or denied first.", r.ID)
	}
	unended, _, err := tx.Grants().List(tenant, store.GrantFilter{Person: person, Unended: true}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	for _, g := range unended {
		return access.Errorf(access.KindConflict, "The grant %s of this person has not ended: curfew revoke %[1]s first.", g.ID)
	}
	return nil
}
