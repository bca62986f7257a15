package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// overdueAtStart is how many of the seeded grants came to their deadline while no server ran.
const overdueAtStart = 50

// measureStarts is number 7: the books hold N live grants, a few of them overdue, and a server starts.
func measureStarts(ctx context.Context, s settings) ([]figure, error) {
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	if s.quick {
		sizes = []int{10_000, 100_000}
	}
	var figures []figure
	for _, n := range sizes {
		f, err := measureStart(ctx, n)
		if err != nil {
			return figures, fmt.Errorf("with %d grants: %w", n, err)
		}
		s.progress("   %d grants: ready after %.0f ms, first action after %.0f ms", n, f[0].Value, f[1].Value)
		figures = append(figures, f...)
	}
	return figures, nil
}

func measureStart(ctx context.Context, n int) (_ []figure, err error) {
	i, err := install(memoryConnector)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	server, err := i.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := server.stop(); err != nil {
		return nil, err
	}
	empty, err := os.Stat(i.storePath())
	if err != nil {
		return nil, err
	}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(24*time.Hour)
	err = seed(ctx, i, n, func(k int) time.Time {
		if k < overdueAtStart {
			return past
		}
		return future
	})
	if err != nil {
		return nil, err
	}
	full, err := os.Stat(i.storePath())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if server, err = i.start(ctx); err != nil {
		return nil, err
	}
	cpu, err := settleDown(ctx, i, server, "curfew_grants_overdue")
	now, _, memoryErr := residentBytes(server.pid())
	// The gate: it is killed, and what was overdue must have ended before that.
	if err = errors.Join(err, memoryErr, server.kill()); err != nil {
		return nil, err
	}
	first, ended, err := firstEnd(ctx, i)
	if err == nil && ended != overdueAtStart {
		err = fmt.Errorf("%d of %d overdue grants were taken back", ended, overdueAtStart)
	}
	label := fmt.Sprintf(", %d grants", n)
	return []figure{
		single("start to ready"+label, "ms", milliseconds(server.ready)),
		single("start to first grant taken back"+label, "ms", milliseconds(first.Sub(began))).wants("≤ 1 s at 1,000,000"),
		single("memory"+label, "MB", float64(now)/1e6).wants("flat"),
		single("CPU of the start"+label, "ms", milliseconds(cpu)),
		single("disk a grant with request and plan"+label, "B", float64(full.Size()-empty.Size())/float64(n)).wants("≤ 500 B beyond its history"),
	}, err
}

// firstEnd reads when the first grant ended, and how many did.
func firstEnd(ctx context.Context, i installation) (first time.Time, ended int, err error) {
	err = i.books(ctx, func(books *sqlstore.SQLite) error {
		return eachGrant(ctx, books, func(g access.Grant) {
			if g.State != access.GrantEnded {
				return
			}
			if ended++; first.IsZero() || g.EndedAt.Before(first) {
				first = g.EndedAt
			}
		})
	})
	return first, ended, err
}
