package engine

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/store"
)

// The engine's transactions, in the order of a grant's life.
const (
	txSubmit     store.TxName = "submit"
	txReview     store.TxName = "review"
	txConfirm    store.TxName = "confirm"
	txWithdraw   store.TxName = "withdraw"
	txLapse      store.TxName = "lapse"
	txClaim      store.TxName = "claim"
	txClaimLive  store.TxName = "claim-live"
	txAnnounce   store.TxName = "announce"
	txActivate   store.TxName = "activate"
	txActivated  store.TxName = "activated"
	txFailed     store.TxName = "attempt-failed"
	txUndone     store.TxName = "undone"
	txReissue    store.TxName = "reissue"
	txIssued     store.TxName = "issued"
	txFetched    store.TxName = "fetched"
	txRevoke     store.TxName = "revoke"
	txRemoved    store.TxName = "removed"
	txTidied     store.TxName = "tidied"
	txSequence   store.TxName = "sequence"
	txVoided     store.TxName = "leases-voided"
	txIntegrate  store.TxName = "integrate"
	txOffline    store.TxName = "removed-offline"
	txTurn       store.TxName = "turn"
	txTurnEnd    store.TxName = "turn-end"
	txWaited     store.TxName = "waited"
	txMissing    store.TxName = "missing"
	txFound      store.TxName = "found"
	txGone       store.TxName = "gone"
	txAccept     store.TxName = "accept"
	txFreeze     store.TxName = "freeze"
	txSweep      store.TxName = "sweep"
	txUnfreeze   store.TxName = "unfreeze"
	txExtend     store.TxName = "extend"
	txExtended   store.TxName = "extended"
	txAttest     store.TxName = "attest"
	txRecover    store.TxName = "recover"
	txRules      store.TxName = "rules-decided"
	txForget     store.TxName = "forget"
	txErase      store.TxName = "erase"
	txDecided    store.TxName = "person-decided"
	txDelegate   store.TxName = "delegate"
	txUndelegate store.TxName = "undelegate"

	txKeyRotated   store.TxName = "keys-rotated"
	txKeyRewrapped store.TxName = "keys-rewrapped"
	txReseal       store.TxName = "reseal"
	txKeyRetired   store.TxName = "keys-retired"
)

// Transactions lists every transaction that the engine makes in the life of a grant, so that a test can kill the process
// around each of them and notice when one was not reached. Some are no part of it: a recovery, which comes once, before
// anything is served, the note under which rules all grants were decided, without which they are decided again, those
// of a rotation of the keys, which has a test of its own, the two that forget a person, the two of delegations, which touch nothing that lives,
// the one of a confirmation, which takes a browser and does to a request what a review does, and the one that notes that what a person has was decided again, without which it is decided once more.
func Transactions() []store.TxName {
	return []store.TxName{
		txSubmit, txReview, txWithdraw, txLapse, txClaim, txClaimLive, txAnnounce, txActivate, txActivated, txFailed, txUndone, txReissue,
		txIssued, txFetched, txRevoke, txRemoved, txTidied, txSequence, txIntegrate, txOffline, txVoided, txTurn, txTurnEnd, txWaited, txMissing,
		txFound, txGone, txAccept, txFreeze, txSweep, txUnfreeze, txExtend, txExtended, txAttest,
	}
}

// change is a transaction of the engine under way. What it records is told to watchers and to the log after the commit,
// never before.
type change struct {
	store.Tx
	engine *Engine
	events []access.Event
	// unwritten are entries that a planted bug keeps out of the transaction.
	unwritten []store.EventRow
	// wake are the workers' keys under which something became due with this change, and foresee those under which something
	// will be unless it is seen to before: one worker that sleeps until then is enough.
	wake, foresee []any
	// undone are the grants that were taken back because another of their bundle could not begin.
	undone map[access.GrantID]bool
}

// commitLimit bounds how long a transaction is waited for.
const commitLimit = 30 * time.Second

// update runs fn in a transaction. Like store.Store.Update, it may run fn more than once. The end of ctx does not end
// the waiting: whoever began a change learns how it ended, and those whom it concerns are woken.
func (e *Engine) update(ctx context.Context, name store.TxName, fn func(*change) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	var done *change
	err := e.cfg.Store.Update(ctx, name, func(tx store.Tx) error {
		c := &change{Tx: tx, engine: e}
		if err := fn(c); err != nil {
			return err
		}
		done = c
		return nil
	})
	if err != nil {
		return err
	}
	for _, row := range done.unwritten {
		_ = e.cfg.Store.Update(ctx, name, func(tx store.Tx) error { return tx.Events().Append(row) })
	}
	for _, ev := range done.events {
		e.cfg.Log.LogAttrs(ctx, slog.LevelInfo, string(ev.Kind), logAttrs(ev)...)
		e.signals.raise(ev.Request)
	}
	for _, key := range done.wake {
		e.signals.raise(key)
	}
	for _, key := range done.foresee {
		e.signals.raiseOne(key)
	}
	switch {
	case len(done.events) == 0:
	case e.cfg.EventsNumbered:
		e.logGrew()
	default:
		e.signals.raise(sequenceLane)
	}
	return nil
}

func logAttrs(ev access.Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("event", string(ev.ID))}
	if ev.Request != "" {
		attrs = append(attrs, slog.String("request", string(ev.Request)))
	}
	if ev.Grant != "" {
		attrs = append(attrs, slog.String("grant", string(ev.Grant)), slog.String("entitlement", ev.Entitlement))
	}
	if ev.From != "" || ev.To != "" {
		attrs = append(attrs, slog.String("from", ev.From), slog.String("to", ev.To))
	}
	for k, v := range ev.Detail {
		attrs = append(attrs, slog.String(k, v))
	}
	return attrs
}

// record writes an event as an audit entry.
func (c *change) record(ev access.Event) error {
	if ev.ID == "" {
		ev.ID = access.EventID(c.engine.cfg.IDs.New(access.EventPrefix))
	}
	ev.Tenant, ev.At = c.engine.cfg.Tenant, c.Now()
	maps.DeleteFunc(ev.Detail, func(_, v string) bool { return v == "" })
	entry, err := audit.NewEntry(ev, c.engine.cfg.Random)
	if err != nil {
		return err
	}
	mac, generation, err := entryMAC(c.engine.cfg.Sealer, ev.ID, entry.Leaf)
	if err != nil {
		return err
	}
	row := store.EventRow{
		ID: ev.ID, Tenant: ev.Tenant, At: ev.At, Kind: ev.Kind, Request: ev.Request, Grant: ev.Grant, Person: ev.Person,
		Leaf: entry.Leaf, MAC: mac, MACGeneration: generation,
	}
	for _, p := range entry.Personal {
		row.Personal = append(row.Personal, store.PersonalValue(p))
	}
	if planted.Active(planted.AuditOutsideTransaction) {
		c.unwritten = append(c.unwritten, row)
	} else if err := c.Events().Append(row); err != nil {
		return err
	}
	c.events = append(c.events, ev)
	return nil
}

// due makes a grant due at once, in nobody's hands. An activation that is still under way loses the race for the next
// commit, and undoes what it does.
func (c *change) due(g *access.Grant) {
	c.dueAt(g, c.Now())
}

// dueAt says when somebody must act on the grant next, and lets go of it until then.
func (c *change) dueAt(g *access.Grant, t time.Time) {
	g.Lease, g.DueAt = "", t
	queue := store.QueueLive
	if g.State == access.GrantScheduled {
		queue = store.QueueNew
	}
	c.wake = append(c.wake, laneOf(*g, queue))
}

// laneOf is a queue of the lane that a grant is in.
func laneOf(g access.Grant, queue store.Queue) store.Lane {
	return store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector, Queue: queue}
}

// requestEvents and grantEvents say which event a new state is.
var requestEvents = map[access.RequestState]access.EventKind{
	access.RequestPending:   access.EventRequestSubmitted,
	access.RequestApproved:  access.EventRequestApproved,
	access.RequestDenied:    access.EventRequestDenied,
	access.RequestWithdrawn: access.EventRequestWithdrawn,
	access.RequestLapsed:    access.EventRequestLapsed,
}

var grantEvents = map[access.GrantState]access.EventKind{
	access.GrantScheduled:  access.EventGrantScheduled,
	access.GrantActivating: access.EventGrantActivating,
	access.GrantActive:     access.EventGrantActive,
	access.GrantRevoking:   access.EventGrantRevoking,
	access.GrantEnded:      access.EventGrantEnded,
}

// settleRequest moves a pending request to a settled state, with its event.
func (c *change) settleRequest(r *access.Request, to access.RequestState, ev access.Event) error {
	if !r.State.CanBecome(to) {
		return access.Errorf(access.KindConflict, "request %s is already %s", r.ID, r.State)
	}
	from := r.State
	r.State, r.SettledAt = to, c.Now()
	if err := c.Requests().Update(*r); err != nil {
		return err
	}
	r.Version++
	ev.Kind, ev.Request, ev.Subject, ev.Person, ev.ActsFor = requestEvents[to], r.ID, r.Principal, r.Person, r.ActsFor
	ev.From, ev.To = string(from), string(to)
	return c.record(ev)
}

// move changes a grant's state and writes its other fields, with the event of the new state. It is the one place where
// a grant's state changes.
func (c *change) move(g *access.Grant, to access.GrantState, ev access.Event) error {
	if !g.State.CanBecome(to) {
		return access.Errorf(access.KindConflict, "grant %s is %s and cannot become %s", g.ID, g.State, to)
	}
	from := g.State
	g.State, g.Failures, g.LastError = to, 0, ""
	if to == access.GrantEnded {
		g.EndedAt = c.Now()
	}
	if err := c.save(g); err != nil {
		return err
	}
	if to == access.GrantEnded && c.engine.shares(g.Entitlement.Connector) {
		if err := c.Atoms().Drop(g.Tenant, g.ID); err != nil {
			return err
		}
	}
	ev.Kind, ev.From, ev.To = grantEvents[to], string(from), string(to)
	return c.recordGrant(*g, ev)
}

// save writes a grant whose state stays.
func (c *change) save(g *access.Grant) error {
	if planted.Active(planted.LeaseNotFenced) {
		if now, err := c.Grants().Get(g.Tenant, g.ID); err == nil {
			g.Version = now.Version
		}
	}
	if err := c.Grants().Update(*g); err != nil {
		return err
	}
	g.Version++
	return nil
}

func (c *change) recordGrant(g access.Grant, ev access.Event) error {
	ev.Request, ev.Grant, ev.Subject, ev.Person, ev.ActsFor = g.Request, g.ID, g.Principal, g.Person, g.ActsFor
	ev.Entitlement = g.Entitlement.String()
	return c.record(ev)
}
