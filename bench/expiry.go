package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureExpiries is number 5: so many grants end at one instant. Its limit is a timer for each, which appends a record
// durably.
func measureExpiries(ctx context.Context, s settings) ([]figure, error) {
	if s.quick {
		return measureExpiriesOf(ctx, s, 2_000, 1, "")
	}
	figures, err := measureExpiriesOf(ctx, s, 20_000, s.rounds, "≤ 100 ms over the limit")
	if err != nil {
		return nil, err
	}
	many, err := measureExpiriesOf(ctx, s, 200_000, 1, "≤ 500 ms over the limit")
	return append(figures, many...), err
}

func measureExpiriesOf(ctx context.Context, s settings, n, rounds int, target string) ([]figure, error) {
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
		s.progress("   round %d: last %.0f ms late, %.0f µs CPU each; limit %.0f ms", i+1, milliseconds(percentile(e.latencies, 1)), e.cost(), milliseconds(limit))
		last, p99 = append(last, milliseconds(percentile(e.latencies, 1))), append(p99, milliseconds(percentile(e.latencies, 0.99)))
		p50 = append(p50, milliseconds(percentile(e.latencies, 0.5)))
		cost, limits = append(cost, e.cost()), append(limits, milliseconds(limit))
	}
	gate, err := expire(ctx, s, n, true)
	if err != nil {
		return nil, err
	}
	return []figure{
		single("grants at one instant", "", float64(n)),
		estimate("last one late", "ms", last, target, ""),
		estimate("p99 late", "ms", p99, "", ""),
		estimate("p50 late", "ms", p50, "", ""),
		estimate("limit: last timer and append late", "ms", limits, "", ""),
		estimate("server CPU", "µs/expiry", cost, "", ""),
		single("gate: left with kill -9 in the middle", fmt.Sprintf("of %d", n), float64(n-len(gate.latencies))),
		single("gate: ended before it", fmt.Sprintf("of %d", n), float64(gate.beforeKill)),
		single("gate: last one late then", "ms", milliseconds(percentile(gate.latencies, 1))),
	}, nil
}

// expiries are the latenesses of a round as a sample.
type expiries struct {
	sample
	// beforeKill is how many had ended when the server was killed.
	beforeKill int
}

// expire seeds n grants that end at one instant, lets a server take them back, and reads from the books how late each
// was. With killed, the server is killed in the middle and started again.
func expire(ctx context.Context, s settings, n int, killed bool) (_ expiries, err error) {
	m, err := seedMoment(ctx, n)
	if err != nil {
		return expiries{}, err
	}
	defer func() { err = errors.Join(err, m.remove()) }()
	sleep(ctx, time.Until(m.at.Add(-workAhead)))
	idle := treeCPU(m.server.pid())
	if s.profiles != "" && !killed {
		if err := profiled(ctx, m.server, filepath.Join(s.profiles, "5.pprof"), 10*time.Second)(); err != nil {
			return expiries{}, err
		}
	}
	before := 0
	if killed {
		if before, err = m.killInTheMiddle(ctx); err != nil {
			return expiries{}, err
		}
		idle = 0
	}
	cpu, err := m.finish(ctx)
	if err != nil {
		return expiries{}, err
	}
	late, err := m.lateness(ctx)
	return expiries{sample{ops: n, cpu: cpu - idle, latencies: late}, before}, err
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
