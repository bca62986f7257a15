package simulation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// state is everything that the promises speak of, at one moment.
type state struct {
	now       time.Time
	requests  map[access.RequestID]access.Request
	grants    map[access.GrantID]access.Grant
	reviews   map[access.RequestID][]access.Review
	decisions map[access.RequestID]int
	// planned and sealed are the grants that have a plan, and a credential, in the store.
	planned, sealed map[access.GrantID]bool
	// sealedUnder are the generations of the keys that the plans are sealed under, and keys those that are kept, the oldest first.
	sealedUnder map[access.GrantID]int
	keys        []store.Key
	// entries are those that are new since the state before, and appended are their IDs.
	entries  []entry
	appended []access.EventID
	// numbered are the positions that were given since the state before; position is the last one ever.
	numbered []int64
	position int64
	// integrated is how many entries the tree over the log has.
	integrated int64
	// waiting is how many entries have no position yet.
	waiting int
	// freezes are those in force, and attestations are by grant.
	freezes      []access.Freeze
	attestations map[access.GrantID][]access.Attestation
	findings     map[access.FindingID]access.Finding
	delegations  map[access.DelegationID]access.Delegation
	// profiles are those of whom the source has told, by their IDs.
	profiles map[access.ProfileID]access.Profile
	sessions map[access.SessionID]access.Session
	// accounts are what Curfew made at the target, by the grant that their mark names, and others what it did not make.
	accounts map[access.GrantID]memory.Account
	others   map[string]memory.Account
	// members are the memberships at the target, whoever gave them, with their marks.
	members map[right]access.Mark
}

// entry is what the promises want to know of an audit entry. Its commitments are the business of package audit.
type entry struct {
	Kind    access.EventKind `json:"kind"`
	Request access.RequestID `json:"request"`
	Grant   access.GrantID   `json:"grant"`
	From    string           `json:"from"`
	To      string           `json:"to"`
}

// maxRows is more than one run makes of anything.
const maxRows = 1000

// look reads the state that follows the one before.
func (w *World) look() (state, error) {
	s := state{
		requests: map[access.RequestID]access.Request{}, grants: map[access.GrantID]access.Grant{},
		reviews: map[access.RequestID][]access.Review{}, decisions: map[access.RequestID]int{},
		planned: map[access.GrantID]bool{}, sealedUnder: map[access.GrantID]int{}, sealed: map[access.GrantID]bool{}, position: w.seen.position,
		accounts: map[access.GrantID]memory.Account{}, others: map[string]memory.Account{}, members: map[right]access.Mark{},
		findings: map[access.FindingID]access.Finding{}, attestations: map[access.GrantID][]access.Attestation{},
		delegations: map[access.DelegationID]access.Delegation{}, profiles: map[access.ProfileID]access.Profile{},
		sessions: map[access.SessionID]access.Session{},
	}
	err := w.books.View(context.Background(), func(tx store.Tx) error {
		s.now = tx.Now()
		if err := s.readRequests(tx); err != nil {
			return err
		}
		if err := s.readGrants(tx); err != nil {
			return err
		}
		if err := s.readFindings(tx); err != nil {
			return err
		}
		if err := s.readPeople(tx); err != nil {
			return err
		}
		return s.readEntries(tx, w.entered)
	})
	w.readTarget(&s)
	return s, err
}

// readTarget reads what is there. What the owner has not put there, Curfew has.
func (w *World) readTarget(s *state) {
	for _, a := range w.target.Accounts() {
		switch _, theirs := w.owner.accounts[a.Name]; {
		case theirs || a.Mark == "" && a.Name != memory.OwnAccount:
			s.others[a.Name] = a
		case a.Name != memory.OwnAccount:
			s.accounts[grantOf(a.Mark)] = a
		}
	}
	for _, m := range w.target.Members() {
		s.members[right{m.Account, m.Group}] = m.Mark
	}
}

func (s *state) readFindings(tx store.Tx) error {
	findings, _, err := tx.Findings().List(access.DefaultTenant, store.FindingFilter{}, store.Page{Limit: maxRows})
	for _, f := range findings {
		s.findings[f.ID] = f
	}
	return err
}

func (s *state) readPeople(tx store.Tx) error {
	profiles, _, err := tx.Profiles().List(access.DefaultTenant, store.ProfileFilter{}, store.Page{Limit: maxRows})
	if err != nil {
		return err
	}
	for _, p := range profiles {
		s.profiles[p.ProfileID] = p
	}
	delegations, _, err := tx.Delegations().List(access.DefaultTenant, store.DelegationFilter{}, store.Page{Limit: maxRows})
	for _, d := range delegations {
		s.delegations[d.ID] = d
	}
	if err != nil {
		return err
	}
	return s.readSessions(tx)
}

func (s *state) readRequests(tx store.Tx) error {
	requests, _, err := tx.Requests().List(access.DefaultTenant, store.RequestFilter{}, store.Page{Limit: maxRows})
	if err != nil {
		return err
	}
	for _, r := range requests {
		s.requests[r.ID] = r
		if s.reviews[r.ID], err = tx.Reviews().List(r.Tenant, r.ID); err != nil {
			return err
		}
		decisions, err := tx.Decisions().List(r.Tenant, r.ID)
		if err != nil {
			return err
		}
		s.decisions[r.ID] = len(decisions)
	}
	return nil
}

func (s *state) readGrants(tx store.Tx) error {
	grants, _, err := tx.Grants().List(access.DefaultTenant, store.GrantFilter{}, store.Page{Limit: maxRows})
	if err != nil {
		return err
	}
	if s.keys, err = tx.Keys().List(access.DefaultTenant); err != nil {
		return err
	}
	if s.freezes, _, err = tx.Freezes().List(access.DefaultTenant, store.Page{Limit: maxRows}); err != nil {
		return err
	}
	for _, g := range grants {
		s.grants[g.ID] = g
		if s.attestations[g.ID], err = tx.Attestations().List(g.Tenant, g.ID); err != nil {
			return err
		}
		plan, err := tx.Plans().Get(g.Tenant, g.ID)
		if err == nil {
			if s.sealedUnder[g.ID], err = secret.GenerationOf(plan); err != nil {
				return err
			}
		}
		if s.planned[g.ID], err = there(err); err != nil {
			return err
		}
		_, err = tx.Credentials().Get(g.Tenant, g.ID)
		if s.sealed[g.ID], err = there(err); err != nil {
			return err
		}
	}
	return nil
}

// readEntries reads the entries that have not entered a state before, whether they are numbered or not.
func (s *state) readEntries(tx store.Tx, entered map[access.EventID]bool) error {
	log, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, s.position, maxRows)
	if err != nil {
		return err
	}
	for _, row := range log {
		s.numbered = append(s.numbered, row.Position)
		s.position = row.Position
	}
	head, err := tx.Log().Head(access.DefaultTenant)
	if err != nil {
		return err
	}
	s.integrated = head.Size
	waiting, err := tx.Events().Unsequenced(access.DefaultTenant, maxRows)
	if err != nil {
		return err
	}
	s.waiting = len(waiting)
	for _, row := range append(log, waiting...) {
		if entered[row.ID] {
			continue
		}
		var e entry
		if err := json.Unmarshal(row.Leaf, &e); err != nil {
			return err
		}
		s.entries = append(s.entries, e)
		s.appended = append(s.appended, row.ID)
	}
	return nil
}

// there tells what is not there from what cannot be read.
func there(err error) (bool, error) {
	if err != nil && access.KindOf(err) == access.KindNotFound {
		return false, nil
	}
	return err == nil, err
}
