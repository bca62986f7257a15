package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// numberedEvents is the key under which those are woken who wait for the audit log to grow.
const numberedEvents = "numbered events"

// LoggedEvent is an event at its place in the audit log.
type LoggedEvent struct {
	// Position counts from 1 on without gaps.
	Position int64
	access.Event
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

// Events reads the audit log behind a position. It looks at most at limit entries and returns those that the actor may
// see, so a page may be empty although there is more. Administrators and auditors see everything, everybody else what
// concerns requests that they may see; who may see an entry sees its personal values too. The salts of the values stay
// here, where each value is held against its commitment.
func (e *Engine) Events(ctx context.Context, actor access.Principal, after int64, limit int) (page EventPage, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		page = EventPage{Next: after}
		rows, err := tx.Events().List(e.cfg.Tenant, store.EventFilter{}, after, limit)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return e.checkCursor(tx, after)
		}
		page.Next, page.More = rows[len(rows)-1].Position, len(rows) >= limit
		page.Items, err = e.visible(tx, actor, rows)
		return err
	})
	return page, err
}

// checkCursor refuses a position that the log has not reached: who was further has read a log of which the end is lost,
// and would miss what takes its place.
func (e *Engine) checkCursor(tx store.Tx, after int64) error {
	end, err := endOfLog(tx, e.cfg.Tenant)
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
func (e *Engine) WaitEvents(ctx context.Context, actor access.Principal, after int64, limit int) (EventPage, error) {
	grown, done := e.signals.subscribe(numberedEvents)
	defer done()
	e.signals.raise(watchLane)
	for {
		// The reading itself is not cut short by the end of the waiting.
		page, err := e.Events(context.WithoutCancel(ctx), actor, after, limit)
		if err != nil || len(page.Items) > 0 {
			return page, err
		}
		after = page.Next
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

// visible opens the entries that the actor may see.
func (e *Engine) visible(tx store.Tx, actor access.Principal, rows []store.EventRow) ([]LoggedEvent, error) {
	var items []LoggedEvent
	all := e.seesAll(actor)
	may := map[access.RequestID]bool{"": false}
	for _, row := range rows {
		if _, known := may[row.Request]; !known && !all {
			var err error
			if may[row.Request], err = e.mayFollow(tx, actor, row.Request); err != nil {
				return nil, err
			}
		}
		if !all && !may[row.Request] {
			continue
		}
		ev, err := openEntry(row)
		if err != nil {
			return nil, err
		}
		items = append(items, LoggedEvent{Position: row.Position, Event: ev})
	}
	return items, nil
}

// mayFollow reports whether the actor may see the request that an entry speaks of.
func (e *Engine) mayFollow(tx store.Tx, actor access.Principal, id access.RequestID) (bool, error) {
	r, err := tx.Requests().Get(e.cfg.Tenant, id)
	if err != nil {
		return false, ignoreMissing(err)
	}
	decisions, err := newestDecisions(tx, e.cfg.Tenant, id)
	return err == nil && e.maySeeRequest(actor, r, decisions[id].Stages), err
}

// ignoreMissing is nil for what is not there: entries outlive what they speak of.
func ignoreMissing(err error) error {
	if is(err, access.KindNotFound) {
		return nil
	}
	return err
}

// openEntry holds the row's personal values against the leaf that commits to them. One that does not fit was changed
// behind Curfew's back, and whoever reads the log learns of that instead of what it says now.
func openEntry(row store.EventRow) (access.Event, error) {
	personal := make([]audit.Personal, len(row.Personal))
	for i, p := range row.Personal {
		personal[i] = audit.Personal(p)
	}
	ev, err := audit.Open(row.Leaf, personal)
	if err != nil {
		return access.Event{}, access.Wrap(access.KindInternal, err, fmt.Sprintf("The entry at position %d of the audit log is not what was written.", row.Position))
	}
	return ev, nil
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
		e.signals.raise(numberedEvents)
	}
	return end, next, err
}
