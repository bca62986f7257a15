package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// measureExpiries is number 5: so many grants end at one instant. Its limit is a timer for each, which appends a record
// durably.
func measureExpiries(ctx context.Context, s settings) ([]figure, error) {
	n, rounds := 20_000, s.rounds
	if s.quick {
		n, rounds = 2_000, 1
	}
	var last, p99, p50, cost, limits []float64
	for i := range rounds {
		e, err := expire(ctx, s, n, false)
		if err != nil {
			return nil, err
		}
		limit, err := timerLimit(n)
		if err != nil {
			return nil, err
		}
		s.progress("   round %d: last %.0f ms late, %.0f µs CPU each; limit %.0f ms", i+1, milliseconds(e.percentile(1)), e.cost(), milliseconds(limit))
		last, p99, p50 = append(last, milliseconds(e.percentile(1))), append(p99, milliseconds(e.percentile(0.99))), append(p50, milliseconds(e.percentile(0.5)))
		cost, limits = append(cost, e.cost()), append(limits, milliseconds(limit))
	}
	killed, err := expire(ctx, s, n, true)
	if err != nil {
		return nil, err
	}
	return []figure{
		single("grants at one instant", "", float64(n)),
		estimate("last one late", "ms", last, "≤ 100 ms over the limit", ""),
		estimate("p99 late", "ms", p99, "", ""),
		estimate("p50 late", "ms", p50, "", ""),
		estimate("limit: last timer and append late", "ms", limits, "", ""),
		estimate("server CPU", "µs/expiry", cost, "", ""),
		single("gate: left with kill -9 in the middle", fmt.Sprintf("of %d", n), float64(n-len(killed.latencies))),
		single("gate: last one late then", "ms", milliseconds(killed.percentile(1))),
	}, nil
}

// expiries are the latenesses of a round as a sample.
type expiries struct{ sample }

func (e expiries) percentile(p float64) time.Duration { return percentile(e.latencies, p) }

// expiryLimit is how long a round may take after its instant.
const expiryLimit = 5 * time.Minute

// expire seeds n grants that end at one instant, lets a server take them back, and reads from the books how late each
// was. With killed, the server is killed half-way and started again.
func expire(ctx context.Context, s settings, n int, killed bool) (_ expiries, err error) {
	i, err := install(memoryConnector)
	if err != nil {
		return expiries{}, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	server, err := i.start(ctx)
	if err != nil {
		return expiries{}, err
	}
	if err := server.stop(); err != nil {
		return expiries{}, err
	}
	instant := time.Now().Add(time.Duration(n)*time.Millisecond/2 + 5*time.Second)
	if err := seed(ctx, i, n, func(int) time.Time { return instant }); err != nil {
		return expiries{}, err
	}
	if time.Until(instant) < time.Second {
		return expiries{}, fmt.Errorf("seeding %d grants took until their deadline; the machine is too busy", n)
	}
	if server, err = i.start(ctx); err != nil {
		return expiries{}, err
	}
	sleep(ctx, time.Until(instant))
	idle := treeCPU(server.pid())
	if s.profiles != "" && !killed {
		if err := profiled(ctx, server, filepath.Join(s.profiles, "5.pprof"), 10*time.Second)(); err != nil {
			return expiries{}, err
		}
	}
	if killed {
		sleep(ctx, 500*time.Millisecond)
		if err := server.kill(); err != nil {
			return expiries{}, err
		}
		if server, err = i.start(ctx); err != nil {
			return expiries{}, fmt.Errorf("starting again after kill -9: %w", err)
		}
	}
	cpu, err := settleDown(ctx, i, server, "curfew_grants")
	if err = errors.Join(err, server.stop()); err != nil {
		return expiries{}, err
	}
	return readExpiries(ctx, i, n, instant, cpu-idle)
}

// settleDown waits until a gauge of the server's own metrics is zero over all connectors, and returns the CPU time that
// the server has used until then.
func settleDown(ctx context.Context, i installation, server *child, gauge string) (time.Duration, error) {
	const look = 100 * time.Millisecond
	carol := newCaller(server.url, i.token("carol"))
	for began := time.Now(); ; sleep(ctx, look) {
		left, err := carol.gauge(ctx, gauge)
		switch {
		case err != nil:
			return 0, err
		case left == 0:
			return treeCPU(server.pid()), nil
		case time.Since(began) > expiryLimit:
			return 0, fmt.Errorf("%s is still %v after %s", gauge, left, expiryLimit)
		}
	}
}

func readExpiries(ctx context.Context, i installation, n int, instant time.Time, cpu time.Duration) (expiries, error) {
	e := expiries{sample{ops: n, cpu: cpu}}
	left := 0
	err := i.books(ctx, func(books *sqlstore.SQLite) error {
		return eachGrant(ctx, books, func(g access.Grant) {
			if g.State != access.GrantEnded || g.VerifiedAt.IsZero() {
				left++
				return
			}
			e.latencies = append(e.latencies, g.VerifiedAt.Sub(instant))
		})
	})
	if err == nil && (left > 0 || len(e.latencies) != n) {
		err = fmt.Errorf("of %d grants %d have ended and %d are left past their deadline", n, len(e.latencies), left)
	}
	return e, err
}

// timerLimit is how late the last of n timers is that fire at one instant and append a record each.
func timerLimit(n int) (_ time.Duration, err error) {
	folder, err := os.MkdirTemp("", "curfew-bench-timers-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	j, err := openJournal(folder)
	if err != nil {
		return 0, err
	}
	instant := time.Now().Add(time.Second)
	late := make(chan time.Duration, n)
	failed := make(chan error, n)
	record := make([]byte, recordBytes)
	for range n {
		time.AfterFunc(time.Until(instant), func() {
			if err := j.append(record); err != nil {
				failed <- err
			}
			late <- time.Since(instant)
		})
	}
	var last time.Duration
	for range n {
		last = max(last, <-late)
	}
	select {
	case err = <-failed:
	default:
	}
	return last, errors.Join(err, j.close())
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
