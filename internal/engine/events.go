package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// numberedEvents is the key under which those are woken who wait for the audit log to grow.
const numberedEvents = "numbered events"

// LoggedEvent is an event at its place in the audit log.
type LoggedEvent struct {
	// Position counts from 1 on without gaps.
	Position int64
	access.Event
	// Erased are the names of the personal values that the entry had and that were erased since: the keys of Personal, and
	// audit.FieldActor and audit.FieldSubject.
	Erased []string
}

// EventPage is a piece of the audit log, as one reader may see it.
type EventPage struct {
	Items []LoggedEvent
	// Next is the last position that was looked at, whether or not the reader may see what is there. The next page begins
	// behind it.
	Next int64
	// More reports whether there may be entries behind Next already.
	More bool
}

// LogQuery says which entries of the audit log somebody wants. Of those behind After, so many as Limit are looked at; zero
// fields below select everything.
type LogQuery struct {
	After int64
	Limit int

	Request access.RequestID
	Grant   access.GrantID
	// Kind is one that access.EventKind.Matches.
	Kind access.EventKind
	// Actor is who caused it, and Subject whose access it is about. Who was erased is not found any more.
	Actor, Subject access.PrincipalID
}

// wants reports whether the entry is one of those.
func (q LogQuery) wants(ev access.Event) bool {
	none := access.PrincipalID{}
	return ev.Kind.Matches(q.Kind) && (q.Request == "" || ev.Request == q.Request) && (q.Grant == "" || ev.Grant == q.Grant) &&
		(q.Actor == none || ev.Actor == q.Actor) && (q.Subject == none || ev.Subject == q.Subject)
}

// Events reads the audit log behind a position. It looks at no more entries than the query says and returns those that it
// wants and the actor may see, so a page may be empty although there is more. Administrators and auditors see everything, everybody else what
// concerns requests that they may see; who may see an entry sees its personal values too. The salts of the values stay
// here, where each value is held against its commitment.
func (e *Engine) Events(ctx context.Context, actor access.Principal, q LogQuery) (EventPage, error) {
	entries, err := e.readLog(ctx, q)
	if err != nil {
		return EventPage{}, err
	}
	if len(entries) == 0 {
		return EventPage{Next: q.After}, e.checkCursor(ctx, q.After)
	}
	page := EventPage{Next: entries[len(entries)-1].Position, More: len(entries) >= q.Limit}
	page.Items, err = e.visible(ctx, actor, q, entries)
	return page, err
}

// checkCursor refuses a position that the log has not reached: who was further has read a log of which the end is lost,
// and would miss what takes its place.
func (e *Engine) checkCursor(ctx context.Context, after int64) error {
	end, err := e.LastPosition(ctx)
	if err == nil && after > end {
		return access.Errorf(access.KindInvalid, "The log ends at position %d, before %d: the store was restored from a backup, or this is another installation. Read on from %[1]d or earlier.", end, after)
	}
	return err
}

// LastPosition is the position of the newest entry of the audit log; 0 while there is none.
func (e *Engine) LastPosition(ctx context.Context) (end int64, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		end, err = endOfLog(tx, e.cfg.Tenant)
		return err
	})
	return end, err
}

func endOfLog(tx store.Tx, tenant access.TenantID) (int64, error) {
	newest, err := tx.Events().Newest(tenant)
	if is(err, access.KindNotFound) {
		return 0, nil
	}
	return newest.Position, err
}

// WaitEvents is Events for one who has time: it returns when there is something that the actor may see, or with the
// place up to which there was nothing when ctx ends.
func (e *Engine) WaitEvents(ctx context.Context, actor access.Principal, q LogQuery) (EventPage, error) {
	grown, done := e.signals.subscribe(numberedEvents)
	defer done()
	if !e.cfg.EventsNumbered {
		e.signals.raise(watchLane) // other nodes number events too
	}
	for {
		// The reading itself is not cut short by the end of the waiting.
		page, err := e.Events(context.WithoutCancel(ctx), actor, q)
		if err != nil || len(page.Items) > 0 {
			return page, err
		}
		q.After = page.Next
		if page.More && ctx.Err() == nil {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return page, nil
		}
	}
}

// visible are the entries that the query wants and the actor may see.
func (e *Engine) visible(ctx context.Context, actor access.Principal, q LogQuery, entries []entry) (items []LoggedEvent, err error) {
	may := func(access.RequestID) bool { return true }
	if !e.seesAll(actor) {
		if may, err = e.mayFollow(ctx, actor, entries); err != nil {
			return nil, err
		}
	}
	for _, entry := range entries {
		switch {
		case !may(entry.request):
		case entry.err != nil:
			return nil, entry.err
		case q.wants(entry.Event):
			items = append(items, entry.LoggedEvent)
		}
	}
	return items, nil
}

// mayFollow finds out which of the requests that the entries speak of the actor may see.
func (e *Engine) mayFollow(ctx context.Context, actor access.Principal, entries []entry) (func(access.RequestID) bool, error) {
	by, err := e.reviewer(ctx, actor)
	if err != nil {
		return nil, err
	}
	var may map[access.RequestID]bool
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		may = map[access.RequestID]bool{"": false}
		for _, entry := range entries {
			id := entry.request
			if _, known := may[id]; known {
				continue
			}
			r, err := tx.Requests().Get(e.cfg.Tenant, id)
			if err != nil {
				if may[id], err = false, ignoreMissing(err); err != nil {
					return err
				}
				continue
			}
			decisions, err := newestDecisions(tx, e.cfg.Tenant, id)
			if err != nil {
				return err
			}
			may[id] = e.maySeeRequest(by, r, decisions[id].Stages)
		}
		return nil
	})
	return func(id access.RequestID) bool { return may[id] }, err
}

// ignoreMissing is nil for what is not there: entries outlive what they speak of.
func ignoreMissing(err error) error {
	if is(err, access.KindNotFound) {
		return nil
	}
	return err
}

// watchPause is how long an entry that another node has numbered may wait for its readers here.
const watchPause = 250 * time.Millisecond

// watch wakes the readers of the log when it has grown beyond the position seen, which is what another node's entries
// take. next is when to look again: never, while nobody waits.
func (e *Engine) watch(ctx context.Context, seen int64) (end int64, next time.Time, err error) {
	if !e.signals.awaited(numberedEvents) {
		return seen, time.Time{}, nil
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		next = tx.Now().Add(watchPause)
		end, err = endOfLog(tx, e.cfg.Tenant)
		return err
	})
	if err == nil && end != seen {
		e.logGrew()
	}
	return end, next, err
}
