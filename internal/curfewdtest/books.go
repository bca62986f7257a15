package curfewdtest

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Books are what a store says at one moment.
type Books struct {
	Installation string
	Requests     map[access.RequestID]access.Request
	Grants       map[access.GrantID]access.Grant
	Reviews      map[access.RequestID][]access.Review
	// Events are those that have their number, in its order; Unnumbered counts the others.
	Events     []store.EventRow
	Unnumbered int
}

// pageSize is how much of a list is read at once.
const pageSize = 1000

// ReadBooks reads everything on one snapshot.
func ReadBooks(ctx context.Context, s store.Store) (b Books, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		b = Books{
			Requests: map[access.RequestID]access.Request{}, Grants: map[access.GrantID]access.Grant{},
			Reviews: map[access.RequestID][]access.Review{},
		}
		return b.read(tx)
	})
	return b, err
}

func (b *Books) read(tx store.Tx) (err error) {
	if b.Installation, err = tx.Installation().ID(); err != nil {
		return err
	}
	err = pages(func(p store.Page) (string, error) {
		items, next, err := tx.Requests().List(access.DefaultTenant, store.RequestFilter{}, p)
		for _, r := range items {
			b.Requests[r.ID] = r
		}
		return next, err
	})
	if err != nil {
		return err
	}
	for id := range b.Requests {
		if b.Reviews[id], err = tx.Reviews().List(access.DefaultTenant, id); err != nil {
			return err
		}
	}
	err = pages(func(p store.Page) (string, error) {
		items, next, err := tx.Grants().List(access.DefaultTenant, store.GrantFilter{}, p)
		for _, g := range items {
			b.Grants[g.ID] = g
		}
		return next, err
	})
	if err != nil {
		return err
	}
	return b.readLog(tx)
}

func (b *Books) readLog(tx store.Tx) error {
	for {
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, b.lastPosition(), pageSize)
		if err != nil {
			return err
		}
		b.Events = append(b.Events, rows...)
		if len(rows) < pageSize {
			break
		}
	}
	rows, err := tx.Events().Unsequenced(access.DefaultTenant, pageSize)
	b.Unnumbered = len(rows)
	return err
}

func (b *Books) lastPosition() int64 {
	if len(b.Events) == 0 {
		return 0
	}
	return b.Events[len(b.Events)-1].Position
}

// pages reads a list to its end.
func pages(read func(store.Page) (next string, err error)) error {
	page := store.Page{Limit: pageSize}
	for {
		next, err := read(page)
		if err != nil || next == "" {
			return err
		}
		page.After = next
	}
}
