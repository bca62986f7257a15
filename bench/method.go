package main

import (
	"context"
	"fmt"
	"time"
)

// sample is what was done in one or more blocks.
type sample struct {
	ops     int
	elapsed time.Duration
	// cpu is what the processes under measurement used, those of a database included.
	cpu time.Duration
	// latencies are of single operations, where the work has any.
	latencies []time.Duration
}

func (s sample) plus(o sample) sample {
	return sample{
		ops: s.ops + o.ops, elapsed: s.elapsed + o.elapsed, cpu: s.cpu + o.cpu,
		latencies: append(s.latencies, o.latencies...),
	}
}

// rate is operations a second.
func (s sample) rate() float64 { return float64(s.ops) / max(s.elapsed.Seconds(), 1e-9) }

// cost is CPU microseconds an operation.
func (s sample) cost() float64 { return float64(s.cpu.Microseconds()) / float64(max(s.ops, 1)) }

// side is one of the two that take turns: it works for about so long.
type side func(context.Context, time.Duration) (sample, error)

// round is one turn of each.
type round struct {
	ours, limit sample
	// foreign is the share of the machine that others used meanwhile.
	foreign float64
}

// foreignLimit is the share of the machine from which on a round counts as disturbed.
const foreignLimit = 0.05

// paired lets the two sides take turns, A B B A, so that whatever drifts on the machine drifts for both. The first turn
// of each is thrown away: caches, connections and the runtime warm up in it.
func paired(ctx context.Context, s settings, ours, limit side) ([]round, error) {
	if _, _, err := both(ctx, s.block/2, ours, limit); err != nil {
		return nil, err
	}
	var rounds []round
	for i := range s.rounds {
		busy := startBusy()
		a, b, err := both(ctx, s.block, ours, limit)
		if err != nil {
			return nil, err
		}
		b2, a2, err := both(ctx, s.block, limit, ours)
		if err != nil {
			return nil, err
		}
		r := round{ours: a.plus(a2), limit: b.plus(b2), foreign: busy.foreign()}
		rounds = append(rounds, r)
		s.progress("   round %d: ours %.0f/s at %.0f µs CPU, limit %.0f/s at %.0f µs, others %.0f %%", i+1,
			r.ours.rate(), r.ours.cost(), r.limit.rate(), r.limit.cost(), 100*r.foreign)
	}
	return rounds, nil
}

func both(ctx context.Context, d time.Duration, first, second side) (a, b sample, err error) {
	if a, err = first(ctx, d); err != nil {
		return a, b, err
	}
	b, err = second(ctx, d)
	return a, b, err
}

// quiet leaves out the rounds in which others used the machine. When fewer than three are left it keeps them all, and
// the figures say that they were disturbed.
func quiet(rounds []round) (kept []round, disturbed int) {
	for _, r := range rounds {
		if r.foreign <= foreignLimit {
			kept = append(kept, r)
		}
	}
	if disturbed = len(rounds) - len(kept); len(kept) < 3 {
		return rounds, disturbed
	}
	return kept, disturbed
}

// compared are the figures of a pair of sides.
func compared(rounds []round, target string) []figure {
	kept, disturbed := quiet(rounds)
	note := fmt.Sprintf("%d rounds, %d disturbed", len(rounds), disturbed)
	column := func(f func(round) float64) []float64 {
		values := make([]float64, len(kept))
		for i, r := range kept {
			values[i] = f(r)
		}
		return values
	}
	var all sample
	for _, r := range kept {
		all = all.plus(r.ours)
	}
	figures := []figure{
		estimate("server CPU", "µs/op", column(func(r round) float64 { return r.ours.cost() }), "", note),
		estimate("limit's CPU", "µs/op", column(func(r round) float64 { return r.limit.cost() }), "", ""),
		estimate("rate", "/s", column(func(r round) float64 { return r.ours.rate() }), target, ""),
		estimate("limit's rate", "/s", column(func(r round) float64 { return r.limit.rate() }), "", ""),
		estimate("fraction of the limit's rate", "", column(func(r round) float64 { return r.ours.rate() / r.limit.rate() }), "", "paired"),
	}
	if len(all.latencies) > 0 {
		figures = append(figures,
			single("p50", "ms", milliseconds(percentile(all.latencies, 0.50))),
			single("p99", "ms", milliseconds(percentile(all.latencies, 0.99))))
	}
	return figures
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
