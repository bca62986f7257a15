package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// erasePage is how much of a table one step of an erasure looks at.
const erasePage = 50

// redaction is a change of one row that takes a person out of it.
type redaction struct {
	// kind is what the row is, in the plural, for counting; empty is not counted. values is how many personal values of an entry go with it.
	kind   string
	values int
	write  func(store.Tx) error
}

// redact is a redaction of what is no entry.
func redact(kind string, write func(store.Redactions) error) redaction {
	return redaction{kind: kind, write: func(tx store.Tx) error { return write(tx.Redactions()) }}
}

// erasureStage looks at a page of what is kept. It may learn further names of the person, and returns what is to be changed
// and where the next page begins: empty at the end.
type erasureStage func(e *Engine, tx store.Tx, r *redactor, cursor string) (list []redaction, next string, err error)

// stagesOfErasure are the stages in their order, by the names that erasures in the store have. Names come first, because the
// others go by them, and profiles last, of which the names are; requests before findings, which are known by their grants.
func stagesOfErasure() (order []string, stages map[string]erasureStage) {
	return []string{"names", "requests", "findings", "freezes", "delegations", "approvals", "events", "passkeys", "profiles"}, map[string]erasureStage{
		"names": (*Engine).learnNames, "requests": (*Engine).eraseRequests, "findings": (*Engine).eraseFindings,
		"freezes": (*Engine).eraseFreezes, "delegations": (*Engine).eraseDelegations, "approvals": (*Engine).eraseApprovals, "events": (*Engine).eraseEvents, "passkeys": (*Engine).erasePasskeys,
		"profiles": (*Engine).eraseProfiles,
	}
}

// errNotNumbered means that an erasure cannot be finished yet.
var errNotNumbered = access.Errorf(access.KindUnavailable, "Entries wait for their positions in the log; it goes on when they have them.")

// planErasure does one step of an erasure in mind: it returns the erasure as it will stand, and what is to be changed.
func (e *Engine) planErasure(tx store.Tx, v access.Erasure) (access.Erasure, []redaction, error) {
	order, stages := stagesOfErasure()
	if v.Stage == "" {
		v.Stage = order[0]
	}
	r := &redactor{Erasure: v, now: tx.Now()}
	list, next, err := stages[v.Stage](e, tx, r, v.Cursor)
	if err != nil {
		return v, nil, err
	}
	v = r.Erasure
	v.Counts = maps.Clone(v.Counts)
	if v.Counts == nil {
		v.Counts = map[string]int{}
	}
	for _, one := range list {
		if one.kind != "" {
			v.Counts[one.kind]++
		}
		if one.values > 0 {
			v.Counts["values"] += one.values
		}
	}
	if v.Cursor = next; next != "" {
		return v, list, nil
	}
	if i := slices.Index(order, v.Stage) + 1; i < len(order) {
		v.Stage = order[i]
	} else {
		v.DoneAt = tx.Now()
	}
	return v, list, nil
}

// countErasure goes through a whole erasure without changing anything.
func (e *Engine) countErasure(ctx context.Context, v access.Erasure) (map[string]int, error) {
	v.Pseudonym = pseudonymPrefix // whatever it will be
	for v.DoneAt.IsZero() {
		err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
			v, _, err = e.planErasure(tx, v)
			return err
		})
		if errors.Is(err, errNotNumbered) {
			break // of a moment ago; they are counted when they are erased
		}
		if err != nil {
			return nil, err
		}
	}
	return v.Counts, nil
}

// Erase carries out erasures: it takes one step of the oldest, and reports whether there is more to do at once. Looking
// comes before the transaction, which then writes what is known to be over and so does not change. A crash costs nothing,
// since how far it came is in the store. It is errNotNumbered while entries wait for their positions.
func (e *Engine) Erase(ctx context.Context) (more bool, err error) {
	var next access.Erasure
	var list []redaction
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		next = access.Erasure{}
		waiting, err := tx.Erasures().Unfinished(e.cfg.Tenant, 1)
		if err != nil || len(waiting) == 0 {
			return err
		}
		next, list, err = e.planErasure(tx, waiting[0])
		return err
	})
	if err != nil || next.ID == "" {
		return false, err
	}
	err = e.update(ctx, txErase, func(c *change) error {
		for _, one := range list {
			if err := one.write(c.Tx); err != nil {
				return err
			}
		}
		if next.DoneAt.IsZero() {
			return c.Erasures().Update(next)
		}
		return c.endErasure(next)
	})
	// After a conflict another node has taken the step, or something was changed: look again.
	return true, lost(err)
}

// endErasure enters that somebody was forgotten, and forgets who it was.
func (c *change) endErasure(v access.Erasure) error {
	detail := map[string]string{"erasure": string(v.ID), "pseudonym": string(v.Pseudonym)}
	for kind, n := range v.Counts {
		detail[kind] = strconv.Itoa(n)
	}
	v.DoneAt = c.Now()
	if err := c.Erasures().Update(v); err != nil {
		return err
	}
	return c.record(access.Event{
		Kind: access.EventPersonForgotten, Actor: v.By, Person: v.Pseudonym, Detail: detail,
		Personal: map[string]string{"reason": v.Reason},
	})
}

// maxProfiles bounds how many principals of a person sources of identities tell of.
const maxProfiles = 1000

// learnNames looks at profiles, those too of who has left, and at requests for the accounts that the person had.
func (e *Engine) learnNames(tx store.Tx, r *redactor, cursor string) ([]redaction, string, error) {
	if cursor == "" {
		profiles, _, err := tx.Profiles().List(e.cfg.Tenant, store.ProfileFilter{Person: r.Person}, store.Page{Limit: maxProfiles})
		if err != nil {
			return nil, "", err
		}
		for _, p := range profiles {
			r.Principals = union(r.Principals, p.ID)
		}
	}
	files, next, err := e.files(tx, cursor)
	for _, f := range files {
		r.learn(f)
	}
	return nil, next, err
}

func (e *Engine) eraseRequests(tx store.Tx, r *redactor, cursor string) ([]redaction, string, error) {
	files, next, err := e.files(tx, cursor)
	if err != nil {
		return nil, "", err
	}
	var list []redaction
	for _, f := range files {
		if !f.over(r.now) {
			continue // its names are needed; whoever is forgotten has none, but may have reviewed it
		}
		if f.decisions, err = tx.Decisions().List(e.cfg.Tenant, f.request.ID); err != nil {
			return nil, "", err
		}
		if f.confirmations, err = tx.Confirmations().List(e.cfg.Tenant, f.request.ID); err != nil {
			return nil, "", err
		}
		if f.request.Person == r.Person {
			if f.attestations, err = attestationsOf(tx, f.grants); err != nil {
				return nil, "", err
			}
		}
		changes, err := r.file(f)
		if err != nil {
			return nil, "", err
		}
		list = append(list, changes...)
	}
	return list, next, nil
}

func attestationsOf(tx store.Tx, grants []access.Grant) (all []access.Attestation, err error) {
	for _, g := range grants {
		given, err := tx.Attestations().List(g.Tenant, g.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, given...)
	}
	return all, nil
}

// files reads a page of requests with what belongs to each, but for decisions and attestations.
func (e *Engine) files(tx store.Tx, cursor string) ([]file, string, error) {
	requests, next, err := tx.Requests().List(e.cfg.Tenant, store.RequestFilter{}, store.Page{After: cursor, Limit: erasePage})
	if err != nil {
		return nil, "", err
	}
	files := make([]file, len(requests))
	ids := make([]access.RequestID, len(requests))
	of := map[access.RequestID]*file{}
	for i, q := range requests {
		files[i].request, ids[i], of[q.ID] = q, q.ID, &files[i]
	}
	reviews, err := tx.Reviews().List(e.cfg.Tenant, ids...)
	if err != nil {
		return nil, "", err
	}
	grants, err := tx.Grants().OfRequests(e.cfg.Tenant, ids...)
	if err != nil {
		return nil, "", err
	}
	for _, rv := range reviews {
		of[rv.Request].reviews = append(of[rv.Request].reviews, rv)
	}
	for _, g := range grants {
		of[g.Request].grants = append(of[g.Request].grants, g)
	}
	return files, next, nil
}

func (e *Engine) eraseFindings(tx store.Tx, r *redactor, cursor string) (list []redaction, next string, err error) {
	findings, next, err := tx.Findings().List(e.cfg.Tenant, store.FindingFilter{}, store.Page{After: cursor, Limit: erasePage})
	for _, f := range findings {
		g, err := tx.Grants().Get(e.cfg.Tenant, f.Grant)
		if err = ignoreMissing(err); err != nil {
			return nil, "", err
		}
		list = append(list, r.finding(f, g)...)
	}
	return list, next, err
}

func (e *Engine) eraseFreezes(tx store.Tx, r *redactor, cursor string) (list []redaction, next string, err error) {
	freezes, next, err := tx.Freezes().List(e.cfg.Tenant, store.Page{After: cursor, Limit: erasePage})
	for _, f := range freezes {
		list = append(list, r.freeze(f)...)
	}
	return list, next, err
}

func (e *Engine) eraseDelegations(tx store.Tx, r *redactor, cursor string) (list []redaction, next string, err error) {
	delegations, next, err := tx.Delegations().List(e.cfg.Tenant, store.DelegationFilter{}, store.Page{After: cursor, Limit: erasePage})
	for _, d := range delegations {
		list = append(list, r.delegation(d)...)
	}
	return list, next, err
}

// eraseApprovals takes back what the person has said of a version of the configuration that still waits: who is forgotten is no
// administrator. What came into force has no approvals any more.
func (e *Engine) eraseApprovals(tx store.Tx, r *redactor, _ string) (list []redaction, next string, err error) {
	approvals, err := tx.Configurations().Approvals(e.cfg.Tenant)
	for _, a := range approvals {
		if a.Person == r.Person || slices.Contains(r.Principals, a.By) {
			list = append(list, redaction{kind: "approvals", write: func(tx store.Tx) error {
				return tx.Configurations().Disapprove(a.Tenant, a.Person)
			}})
		}
	}
	return list, "", err
}

// eraseProfiles forgets what sources of identities have told and written of the person, and ends their sessions. Who has begun
// something since this was ordered, or was frozen or linked, is left: nobody else would know whose it is, and it would not end when they
// leave.
func (e *Engine) eraseProfiles(tx store.Tx, r *redactor, _ string) (list []redaction, next string, err error) {
	profiles, _, err := tx.Profiles().List(e.cfg.Tenant, store.ProfileFilter{Person: r.Person}, store.Page{Limit: maxProfiles})
	if err == nil {
		if err = e.refuseInUse(tx, r.Person); is(err, access.KindConflict) {
			profiles, err = nil, nil
		}
	}
	for _, p := range profiles {
		list = append(list, redaction{kind: "profiles", write: func(tx store.Tx) error {
			if err := e.refuseInUse(tx, r.Person); err != nil {
				return err
			}
			if _, err := tx.Sessions().DeleteOf(p.Tenant, p.Person); err != nil {
				return err
			}
			provisioned := store.Source{Tenant: p.Tenant, Name: p.ID.Issuer}
			if err := ignoreMissing(tx.Provisioned().Delete(provisioned, store.ProvisionedUser, p.ID.Subject)); err != nil {
				return err
			}
			return ignoreMissing(tx.Profiles().Delete(p.Tenant, p.ID))
		}})
	}
	if err != nil {
		return nil, "", err
	}
	for _, id := range r.Principals {
		p, err := tx.Profiles().Get(e.cfg.Tenant, id)
		if err != nil && !is(err, access.KindNotFound) {
			return nil, "", err
		}
		if p.Person == r.Person || !slices.Contains(p.Formerly, r.Person) {
			continue
		}
		// They go on under another name, which this one does not lead to any more.
		p.Formerly = slices.DeleteFunc(p.Formerly, func(name access.PersonID) bool { return name == r.Person })
		list = append(list, redaction{kind: "profiles", write: func(tx store.Tx) error { return tx.Profiles().Put(p) }})
	}
	return list, "", nil
}

// erasePasskeys forgets the passkeys of the person's accounts, with what recovers them and what is under way. An account that goes on
// under another name keeps those that do not bear this one.
func (e *Engine) erasePasskeys(tx store.Tx, r *redactor, _ string) (list []redaction, next string, err error) {
	for _, id := range r.Principals {
		keys, err := tx.Passkeys().List(e.cfg.Tenant, id)
		if err != nil {
			return nil, "", err
		}
		p, err := tx.Profiles().Get(e.cfg.Tenant, id)
		if err = ignoreMissing(err); err != nil {
			return nil, "", err
		}
		for _, k := range keys {
			if k.Person != r.Person && p.Person != r.Person && p.Person != "" {
				continue
			}
			list = append(list, redaction{kind: "passkeys", write: func(tx store.Tx) error {
				return ignoreMissing(tx.Passkeys().Delete(k.Tenant, k.ID))
			}})
		}
	}
	// What is left of them hangs on the person, and is deleted however much there is.
	return append(list, redaction{write: func(tx store.Tx) error {
		return errors.Join(tx.RecoveryCodes().DeleteOf(e.cfg.Tenant, r.Person), tx.Ceremonies().DeleteOf(e.cfg.Tenant, r.Person))
	}}), "", nil
}

// eraseEvents goes through the log. At its end nothing may wait for its position: it would be missed.
func (e *Engine) eraseEvents(tx store.Tx, r *redactor, cursor string) (list []redaction, next string, err error) {
	after := int64(0)
	if cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", err
		}
	}
	rows, err := tx.Events().List(e.cfg.Tenant, store.EventFilter{}, after, erasePage)
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		after = row.Position
		changes, err := r.event(tx, row)
		if err != nil {
			return nil, "", err
		}
		list = append(list, changes...)
	}
	if len(rows) == erasePage {
		return list, strconv.FormatInt(after, 10), nil
	}
	waiting, err := tx.Events().Unsequenced(e.cfg.Tenant, 1)
	switch {
	case err != nil:
		return nil, "", err
	case len(waiting) == 0:
		return list, "", nil
	case len(rows) == 0:
		return nil, "", errNotNumbered
	}
	return list, strconv.FormatInt(after, 10), nil
}
