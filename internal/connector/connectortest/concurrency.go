package connectortest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func concurrencyCases() []Case {
	return []Case{
		{Name: "32 orders at once", needs: []Capability{ownObject}, run: manyOrdersAtOnce},
		{Name: "one order, granted and revoked at once", needs: []Capability{ownObject}, run: oneOrderAtOnce},
		{Name: "300 grants, all revoked", needs: []Capability{ownObject}, run: manyGrants},
	}
}

// parallel runs f for 0 to n-1, workers at a time, and returns their errors.
func parallel(n, workers int, f func(i int) error) []error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		next = make(chan int)
	)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("%d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return errs
}

// inParallel is parallel, failing the case on any error.
func (l *law) inParallel(n, workers int, what string, f func(i int) error) {
	l.Helper()
	errs := parallel(n, workers, f)
	if len(errs) > 0 {
		l.Fatalf("%s: %d of %d failed, such as %v", what, len(errs), n, errs[0])
	}
}

// plans prepares n orders, to be taken back at the end of the case.
func (l *law) plans(n int) []granted {
	l.Helper()
	gs := make([]granted, n)
	for i := range gs {
		o := l.order(l.h.Entitlement)
		o.Principal.Subject = fmt.Sprintf("user-%d", i%7)
		gs[i] = granted{order: o, plan: l.prepare(o)}
		l.takeBackAtEnd(o, gs[i].plan)
	}
	return gs
}

func (l *law) grantAll(gs []granted, workers int) {
	l.Helper()
	l.inParallel(len(gs), workers, "Grant", func(i int) error {
		ctx, cancel := l.limited()
		defer cancel()
		out, err := l.d.Grant(ctx, gs[i].order, gs[i].plan)
		if err != nil {
			return err
		}
		gs[i].outcome = out
		return checkOutcome(l.h.Traits, gs[i].order, out)
	})
}

func (l *law) revokeAll(gs []granted, workers int) {
	l.Helper()
	l.inParallel(len(gs), workers, "Revoke and Observe", func(i int) error {
		ctx, cancel := l.limited()
		defer cancel()
		o := bare(l.again(gs[i].order))
		if _, err := l.d.Revoke(ctx, o, gs[i].plan); err != nil {
			return err
		}
		p, err := l.d.Observe(ctx, o, gs[i].plan)
		if err == nil && p.State() != connector.Absent {
			err = fmt.Errorf("Observe says %s after Revoke", p.State())
		}
		return err
	})
}

func manyOrdersAtOnce(l *law) {
	const n = 32
	before := l.h.Snapshot(l.TB)
	gs := l.plans(n)
	l.grantAll(gs, n)
	for _, g := range gs {
		l.login(g, "after 32 Grants at once").Close()
	}
	// Half of them go while the other half get a new credential.
	ctx := l.ctx()
	l.inParallel(n, n, "Revoke beside Grant", func(i int) error {
		o := l.again(gs[i].order)
		if i%2 == 0 {
			_, err := l.d.Revoke(ctx, o, gs[i].plan)
			return err
		}
		out, err := l.d.Grant(ctx, o, gs[i].plan)
		gs[i].outcome = out
		return err
	})
	for i, g := range gs {
		if i%2 == 0 {
			l.wantGoneBeside(g, "after Revokes beside Grants")
		} else {
			l.login(g, "after Grants beside Revokes").Close()
		}
	}
	l.revokeAll(gs, n)
	for _, g := range gs {
		l.tidy(g)
	}
	l.wantUnchanged(before, "after 32 Grants and Revokes at once")
}

// oneOrderAtOnce is two nodes that hold the same grant after a lease was lost. Which call wins is open; that a Revoke
// afterwards removes everything is not.
func oneOrderAtOnce(l *law) {
	before := l.h.Snapshot(l.TB)
	for range 8 {
		g := l.plans(1)[0]
		ctx := l.ctx()
		errs := parallel(8, 8, func(i int) error {
			if i%4 == 3 {
				_, err := l.d.Revoke(ctx, g.order, g.plan)
				return mayRetry(err)
			}
			_, err := l.d.Grant(ctx, g.order, g.plan)
			return mayRetry(err)
		})
		for _, err := range errs {
			l.Error(err)
		}
		l.revoke(g)
		l.wantGone(g, "after Grants and Revokes of one order at once")
		l.tidy(g)
	}
	l.wantUnchanged(before, "after Grants and Revokes of one order at once")
}

// mayRetry passes errors that tell the engine to come again.
func mayRetry(err error) error {
	again := []access.Kind{access.KindConflict, access.KindUnavailable, access.KindExhausted, access.KindNotFound}
	if slices.Contains(again, access.KindOf(err)) {
		return nil
	}
	return err
}

func manyGrants(l *law) {
	const n, workers = 300, 8
	before := l.h.Snapshot(l.TB)
	gs := l.plans(n)
	l.grantAll(gs, workers)
	listed := map[access.Mark]int{}
	for f, err := range l.d.List(l.ctx()) {
		if err != nil {
			l.Fatalf("List: %v", err)
		}
		listed[f.Mark]++
	}
	for _, g := range gs {
		if listed[g.order.Mark] != 1 {
			l.Fatalf("with %d grants List yields the mark of one of them %d times", n, listed[g.order.Mark])
		}
	}
	l.revokeAll(gs, workers)
	for _, g := range gs {
		l.tidy(g)
	}
	l.wantUnchanged(before, "after 300 Grants and Revokes")
}
