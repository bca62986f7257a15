package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// askedBefore is how long before the work for the moment the asking begins.
const askedBefore = 3 * time.Second

// measureNewcomers is number 6: somebody asks again and again, from the request over HTTP until the grant is active, before
// the instant of number 5 and while its grants are taken back: from the moment that their ends are written ahead to the last
// that is settled. What it is compared with is the time before.
func measureNewcomers(ctx context.Context, s settings) ([]figure, error) {
	n, rounds := 20_000, min(s.rounds, 5)
	if s.quick {
		n, rounds = 2_000, 2
	}
	var before, during, worst, ratios []float64
	for i := range rounds {
		r, err := askAround(ctx, n, false)
		if err != nil {
			return nil, err
		}
		b, d := milliseconds(percentile(r.before, 0.5)), milliseconds(percentile(r.during, 0.5))
		s.progress("   round %d: p50 %.2f ms before (%d), %.2f ms during (%d)", i+1, b, len(r.before), d, len(r.during))
		before, during, ratios = append(before, b), append(during, d), append(ratios, d/b)
		worst = append(worst, milliseconds(percentile(r.during, 0.99)))
	}
	gate, err := askAround(ctx, n, true)
	if err != nil {
		return nil, err
	}
	return []figure{
		single("grants at one instant", "", float64(n)),
		estimate("p50 before", "ms", before, "", "one caller"),
		estimate("p50 during", "ms", during, "", ""),
		estimate("p99 during", "ms", worst, "", ""),
		estimate("during, of before", "", ratios, "≤ 1.5", "paired"),
		single("gate: new grants lost with kill -9", fmt.Sprintf("of %d", gate.accepted), float64(gate.lost)),
	}, nil
}

// announced is how long before the moment ends are written.
const announced = 2 * time.Second

// asked is what came of asking around a moment.
type asked struct {
	before, during []time.Duration
	// accepted counts the new grants, lost those of them that the books do not have as active.
	accepted, lost int
}

func askAround(ctx context.Context, n int, killed bool) (_ asked, err error) {
	m, err := seedMoment(ctx, n)
	if err != nil {
		return asked{}, err
	}
	defer func() { err = errors.Join(err, m.remove()) }()
	sleep(ctx, time.Until(m.at.Add(-workAhead-askedBefore)))
	w := newcomers{installation: m.installation, anybody: newCaller(m.server.url, "")}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.ask(asking) }()
	if killed {
		if _, err := m.killInTheMiddle(ctx); err != nil {
			return asked{}, err
		}
	}
	_, err = m.settle(ctx)
	stop()
	// Who asks a server that is killed gets an error.
	if failed := <-ended; !killed {
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, m.server.stop()); err != nil {
		return asked{}, err
	}
	return w.result(ctx, m)
}

// newcomers ask one after the other.
type newcomers struct {
	installation installation
	anybody      *caller
	asks         []asking
}

// asking is one request that came to an active grant.
type asking struct {
	began time.Time
	took  time.Duration
	grant access.GrantID
}

var askRead = []byte(`{"entitlements":["db/orders:read"],"duration":"20m","reason":"look at order 17"}`)

// ask asks until ctx ends, which is no error.
func (w *newcomers) ask(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.one(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (w *newcomers) one(ctx context.Context) error {
	who := w.anybody.as(w.installation.token(newcomer(len(w.asks))))
	began := time.Now()
	var r answered
	if err := who.call(ctx, http.MethodPost, "/v1/requests?wait=30s", askRead, &r); err != nil {
		return err
	}
	if len(r.Grants) != 1 || r.Grants[0].State != access.GrantActive {
		return fmt.Errorf("request %s came to %+v", r.ID, r.Grants)
	}
	w.asks = append(w.asks, asking{began, time.Since(began), r.Grants[0].ID})
	return nil
}

func (w *newcomers) result(ctx context.Context, m *moment) (asked, error) {
	if _, err := m.lateness(ctx); err != nil {
		return asked{}, err
	}
	grants, err := m.installation.grants(ctx)
	if err != nil {
		return asked{}, err
	}
	out := asked{accepted: len(w.asks)}
	last := m.at
	for _, g := range grants {
		if g.Deadline.Equal(m.at) && g.EndedAt.After(last) {
			last = g.EndedAt
		}
	}
	for _, a := range w.asks {
		switch {
		case a.began.Add(a.took).Before(m.at.Add(-workAhead)):
			out.before = append(out.before, a.took)
		case !a.began.Before(m.at.Add(-announced)) && a.began.Before(last):
			out.during = append(out.during, a.took)
		}
		if grants[a.grant].State != access.GrantActive {
			out.lost++
		}
	}
	switch {
	case out.lost > 0:
		err = fmt.Errorf("%d of %d new grants are not active in the books", out.lost, out.accepted)
	case len(out.before) == 0 || len(out.during) == 0:
		err = fmt.Errorf("%d grants were asked for before the moment and %d after it", len(out.before), len(out.during))
	}
	return out, err
}
