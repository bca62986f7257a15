package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// logReads lets those who are woken by the same event, and want the same piece of the log, read it once together.
type logReads struct {
	// known is what this node has seen of the log's tree.
	known knownTree
	// grown counts how often the log has grown. Who was woken shares no reading that began before that: it would miss
	// what it was woken for.
	grown   atomic.Int64
	flights singleflight.Group
}

// entry is an entry of the log, opened.
type entry struct {
	LoggedEvent
	request access.RequestID
	// err is why it could not be opened; it is of interest to those only who may see the entry.
	err error
}

// logGrew wakes those who wait for the log to grow, and who adds to its tree.
func (e *Engine) logGrew() {
	e.log.grown.Add(1)
	e.signals.raise(numberedEvents)
	e.signals.raise(treeLane)
}

// readLog reads the entries that a query looks at: those of its request or grant, which the store finds, or all. They are
// shared: nobody changes them.
func (e *Engine) readLog(ctx context.Context, q LogQuery) ([]entry, error) {
	filter := store.EventFilter{Request: q.Request, Grant: q.Grant}
	key := fmt.Sprint(e.log.grown.Load(), q.After, q.Limit, filter)
	read, err, _ := e.log.flights.Do(key, func() (any, error) {
		var entries []entry
		// The others do not go when this reader does.
		err := e.cfg.Store.View(context.WithoutCancel(ctx), func(tx store.Tx) error {
			rows, err := tx.Events().List(e.cfg.Tenant, filter, q.After, q.Limit)
			entries = make([]entry, len(rows))
			for i, row := range rows {
				entries[i] = openEntry(row)
			}
			return err
		})
		return entries, err
	})
	if err != nil {
		return nil, err
	}
	return read.([]entry), nil
}

// openEntry holds the row's personal values against the leaf that commits to them. One that does not fit was changed
// behind Curfew's back, and whoever reads the log learns of that instead of what it says now.
func openEntry(row store.EventRow) entry {
	personal := make([]audit.Personal, len(row.Personal))
	for i, p := range row.Personal {
		personal[i] = audit.Personal(p)
	}
	ev, erased, err := audit.OpenWithErased(row.Leaf, personal)
	if err != nil {
		err = access.Wrap(access.KindInternal, err, fmt.Sprintf("The entry at position %d of the audit log is not what was written.", row.Position))
	}
	return entry{LoggedEvent: LoggedEvent{Position: row.Position, Event: ev, Erased: erased}, request: row.Request, err: err}
}
