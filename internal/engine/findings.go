package engine

import (
	"context"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// maxNote bounds what else a target says of a finding.
const maxNote = 1024

// Findings lists what was read at the targets and the books do not explain, newest first: what is open, or with all also
// what has been removed or accepted. Administrators and auditors may.
func (e *Engine) Findings(ctx context.Context, actor access.Principal, all bool, page store.Page) (items []access.Finding, next string, err error) {
	if !e.seesAll(actor) {
		return nil, "", access.Errorf(access.KindDenied, "Only administrators and auditors look at findings.")
	}
	filter := store.FindingFilter{State: access.FindingOpen}
	if all {
		filter.State = ""
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		items, next, err = tx.Findings().List(e.cfg.Tenant, filter, page)
		return err
	})
	return items, next, err
}

// AcceptFinding says that what was found may stay. Administrators may.
func (e *Engine) AcceptFinding(ctx context.Context, actor access.Principal, id access.FindingID, reason string) (access.Finding, error) {
	switch {
	case !e.seesAll(actor):
		return access.Finding{}, access.Errorf(access.KindNotFound, "There is no finding %s.", id)
	case !e.directory().HasRole(actor, access.RoleAdmin):
		return access.Finding{}, access.Errorf(access.KindDenied, "Only an administrator accepts a finding.")
	case reason == "" || len(reason) > access.MaxReason || !text(reason):
		return access.Finding{}, access.Errorf(access.KindInvalid, "To accept a finding takes a reason of at most %d bytes of UTF-8 text, as in --reason \"the auditor's own\".", access.MaxReason)
	}
	var accepted access.Finding
	err := e.update(ctx, txAccept, func(c *change) error {
		f, err := c.Findings().Get(e.cfg.Tenant, id)
		if err != nil {
			return err
		}
		f.ClosedBy, f.Reason = actor.ID, reason
		err = c.closeFinding(&f, access.FindingAccepted, access.EventFindingAccepted)
		accepted = f
		return err
	})
	if err != nil {
		return access.Finding{}, err
	}
	return accepted, nil
}

// openFinding keeps a finding; one of the same thing that is open or accepted already is access.KindConflict.
func (e *Engine) openFinding(ctx context.Context, f access.Finding) (access.Finding, error) {
	f.ID, f.Tenant, f.State = access.FindingID(e.cfg.IDs.New(access.FindingPrefix)), e.cfg.Tenant, access.FindingOpen
	var opened access.Finding
	err := e.update(ctx, txFound, func(c *change) error {
		opened = f
		opened.FoundAt = c.Now()
		if err := c.Findings().Insert(opened); err != nil {
			return err
		}
		return c.recordFinding(opened, access.EventFindingOpened)
	})
	if err != nil {
		return access.Finding{}, err
	}
	if opened.Overdue() {
		e.cfg.Log.LogAttrs(ctx, slog.LevelError, "access that should have ended is at the target", slog.String("finding", string(opened.ID)),
			slog.String("connector", string(opened.Connector)), slog.String("grant", string(opened.Grant)))
	}
	return opened, nil
}

// bounded is a sighting of which the books can keep every text. What is ours is short and plain, so it stays as it is.
func bounded(s access.Sighting) access.Sighting {
	short := func(text string) string { return boundedText(text, access.MaxAtomText) }
	s.Mark, s.Note = access.Mark(short(string(s.Mark))), boundedText(s.Note, maxNote)
	s.Atom = access.Atom{Target: short(s.Atom.Target), Account: short(s.Atom.Account), Right: short(s.Atom.Right)}
	return s
}

func boundedText(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// goneFinding closes a finding that was read back as gone. Who closed it first wins.
func (e *Engine) goneFinding(ctx context.Context, f access.Finding) error {
	return lost(e.update(ctx, txGone, func(c *change) error {
		f := f
		return c.closeFinding(&f, access.FindingRemoved, access.EventFindingRemoved)
	}))
}

func (c *change) closeFinding(f *access.Finding, to access.FindingState, kind access.EventKind) error {
	if !f.State.CanBecome(to) {
		return access.Errorf(access.KindConflict, "Finding %s is already %s.", f.ID, f.State)
	}
	f.State, f.ClosedAt = to, c.Now()
	if err := c.Findings().Update(*f); err != nil {
		return err
	}
	f.Version++
	return c.recordFinding(*f, kind)
}

func (c *change) recordFinding(f access.Finding, kind access.EventKind) error {
	// Whose access it was, if that is known, is whose data it is.
	g, err := c.Grants().Get(f.Tenant, f.Grant)
	if err != nil && !is(err, access.KindNotFound) {
		return err
	}
	return c.record(access.Event{
		Kind: kind, Actor: f.ClosedBy, Subject: g.Principal, Person: g.Person, ActsFor: g.ActsFor, Grant: f.Grant, To: string(f.State),
		Detail: map[string]string{
			"finding": string(f.ID), "kind": string(f.Kind), "connector": string(f.Connector), "mark": string(f.Mark),
			"target": f.Atom.Target, "right": f.Atom.Right,
		},
		Personal: map[string]string{"account": f.Atom.Account, "reason": f.Reason},
	})
}
