package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// overdueAtStart is how many of the seeded grants came to their deadline while no server ran.
const overdueAtStart = 50

// The figures of number 7 that are drawn over the number of live grants.
const (
	memoryAtRest = "memory at rest"
	firstAction  = "start to first grant taken back"
	newRequest   = "a request until active, p50"
	dueQuery     = "due query: the next 100, p50"
)

// measureStarts is number 7: the books hold N live grants, a few of them overdue, and a server starts. When it has come to
// rest, somebody asks for one more.
func measureStarts(ctx context.Context, s settings) ([]figure, error) {
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	if s.quick {
		sizes = sizes[:3]
	}
	var figures []figure
	for _, n := range sizes {
		f, err := measureStart(ctx, s, n)
		if err != nil {
			return figures, fmt.Errorf("with %d grants: %w", n, err)
		}
		for k := range f {
			f[k].Live = n
			s.progress("   %d grants: %s %.3g %s", n, f[k].Name, f[k].Value, f[k].Unit)
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

func measureStart(ctx context.Context, s settings, n int) (_ []figure, err error) {
	i, err := installOnce(ctx, memoryConnector)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	empty, err := os.Stat(i.storePath())
	if err != nil {
		return nil, err
	}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(24*time.Hour)
	err = seed(ctx, i, n, func(k int) time.Time {
		if k < overdueAtStart {
			return past
		}
		return future.Add(time.Duration(k) * time.Millisecond)
	})
	if err != nil {
		return nil, err
	}
	full, err := os.Stat(i.storePath())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	server, err := i.start(ctx, "-seeded")
	if err != nil {
		return nil, err
	}
	r, err := useServer(ctx, s, i, server)
	// The gate: it is killed, and what was overdue, and nothing else, must have ended before that.
	if err = errors.Join(err, server.kill()); err != nil {
		return nil, err
	}
	first, err := firstEnd(ctx, i, n, r.requests.ops)
	if err != nil {
		return nil, err
	}
	due, err := timeDueQuery(ctx, i)
	if err != nil {
		return nil, err
	}
	again, err := restartCPU(ctx, i)
	return []figure{
		single("start to ready", "ms", milliseconds(server.ready)),
		single(firstAction, "ms", milliseconds(first.Sub(began))).wants("≤ 1 s at 1,000,000"),
		single("CPU until nothing was overdue", "ms", milliseconds(r.cpu)),
		single("CPU until at rest: file checked, target compared, grants decided again", "ms", milliseconds(r.cpuAtRest)),
		single("CPU until at rest when it is started again: nothing is decided again", "ms", milliseconds(again)),
		single(memoryAtRest, "MB", float64(r.memory)/1e6).wants("flat"),
		single("most memory", "MB", float64(r.peak)/1e6),
		single(newRequest, "ms", milliseconds(percentile(r.requests.latencies, 0.5))),
		single(dueQuery, "µs", float64(due.Nanoseconds())/1000),
		single("disk a grant with request and plan", "B", float64(full.Size()-empty.Size())/float64(n)).wants("≤ 500 B beyond its history"),
	}, err
}

// restartCPU starts a server under the configuration of the one before, and returns what it uses until it is at rest.
func restartCPU(ctx context.Context, i installation) (time.Duration, error) {
	server, err := i.start(ctx, "-seeded")
	if err != nil {
		return 0, err
	}
	err = restUntil(ctx, server, time.Now().Add(restLimit))
	cpu := treeCPU(server.pid())
	return cpu, errors.Join(err, server.kill())
}

// usage is what a server used that was started on many grants.
type usage struct {
	cpu, cpuAtRest time.Duration
	memory, peak   int64
	requests       sample
}

// useServer waits until nothing is overdue, and until the server is at rest, and asks for more.
func useServer(ctx context.Context, s settings, i installation, server *child) (u usage, err error) {
	if u.cpu, err = settleDown(ctx, i, server, "curfew_grants_overdue"); err != nil {
		return u, err
	}
	if err := restUntil(ctx, server, time.Now().Add(restLimit)); err != nil {
		return u, err
	}
	u.cpuAtRest = treeCPU(server.pid())
	if u.memory, u.peak, err = residentBytes(server.pid()); err != nil {
		return u, err
	}
	w := newcomers{installation: i, anybody: newCaller(server.url, "")}
	u.requests, err = load(ctx, 1, s.block, []int{server.pid()}, func(ctx context.Context, _ int) error { return w.one(ctx) })
	return u, err
}

// firstEnd reads when the first grant ended. It fails when others have ended than those that were overdue, or one of the
// seeded and the new ones is not there any more.
func firstEnd(ctx context.Context, i installation, seeded, made int) (first time.Time, err error) {
	ended, active := 0, 0
	err = i.books(ctx, func(books *sqlstore.SQLite) error {
		return eachGrant(ctx, books, func(g access.Grant) {
			if g.State == access.GrantActive {
				active++
			}
			if g.State != access.GrantEnded || g.EndReason != access.EndExpired {
				return
			}
			if ended++; first.IsZero() || g.EndedAt.Before(first) {
				first = g.EndedAt
			}
		})
	})
	if err == nil && (ended != overdueAtStart || active != seeded+made-overdueAtStart) {
		err = fmt.Errorf("of %d overdue grants %d were taken back, and of %d others %d are active", overdueAtStart, ended, seeded+made-overdueAtStart, active)
	}
	return first, err
}

// timeDueQuery times what a worker reads when something is due: when the next is, and the next hundred.
func timeDueQuery(ctx context.Context, i installation) (p50 time.Duration, err error) {
	const times, batch = 200, 100
	lane := store.Lane{Tenant: access.DefaultTenant, Connector: "db", Queue: store.QueueLive}
	var took []time.Duration
	err = i.books(ctx, func(books *sqlstore.SQLite) error {
		for range times {
			began := time.Now()
			err := books.View(ctx, func(tx store.Tx) error {
				due, err := tx.Grants().NextDue(lane)
				if err != nil {
					return err
				}
				list, err := tx.Grants().Upcoming(lane, store.Due{}, due.Add(24*time.Hour), batch)
				if err == nil && len(list) != batch {
					err = fmt.Errorf("%d grants were found that are due after %s, and not %d", len(list), due, batch)
				}
				return err
			})
			if err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		return nil
	})
	return percentile(took, 0.5), err
}
