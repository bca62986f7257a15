package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// measurePairs is number 3: a request that needs a review, and the review, two durable and audited commits over HTTP.
// Its limit is two posts to a server that appends each durably to a file and does nothing else.
func measurePairs(ctx context.Context, s settings) (_ []figure, err error) {
	i, err := install(memoryConnector)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	server, err := i.start(ctx, "-idle-target")
	if err != nil {
		return nil, err
	}
	limit, err := startChild(ctx, "-limit", i.folder)
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	pairs := newPairs(i, server.url)
	bare := newCaller(limit.url, "")
	body := make([]byte, 256)
	stopProfile := func() error { return nil }
	if s.profiles != "" {
		stopProfile = profiled(ctx, server, filepath.Join(s.profiles, "3.pprof"), 10*time.Second)
	}
	rounds, err := paired(ctx, s,
		func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, s.workers, d, []int{server.pid()}, pairs.one)
		},
		func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, s.workers, d, []int{limit.pid()}, func(ctx context.Context, _ int) error {
				return errors.Join(bare.call(ctx, http.MethodPost, "/", body, nil), bare.call(ctx, http.MethodPost, "/", body, nil))
			})
		})
	err = errors.Join(err, stopProfile())
	if err != nil {
		return nil, errors.Join(err, limit.stop(), server.kill())
	}
	alone, err := load(ctx, 1, s.block, []int{server.pid()}, pairs.one)
	if err = errors.Join(err, limit.stop()); err != nil {
		return nil, errors.Join(err, server.kill())
	}
	figures := append(compared(rounds, "≥ 8k/s"),
		single("p50 of a pair alone", "ms", milliseconds(percentile(alone.latencies, 0.5))))
	verdict, err := pairs.gate(ctx, s, server)
	return append(figures, verdict), err
}

// profiled takes a CPU profile in the background; the function that it returns waits for it.
func profiled(ctx context.Context, c *child, path string, d time.Duration) (wait func() error) {
	done := make(chan error, 1)
	go func() { done <- errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), c.profile(ctx, path, d)) }()
	return func() error { return <-done }
}

// pairs asks and approves, and remembers what was accepted.
type pairs struct {
	installation installation
	bob          *caller

	mu       sync.Mutex
	asked    int
	accepted []access.RequestID
}

func newPairs(i installation, url string) *pairs {
	return &pairs{installation: i, bob: newCaller(url, i.token("bob"))}
}

var (
	askWrite = []byte(`{"entitlements":["db/orders:write"],"duration":"1h","reason":"look at order 17"}`)
	approve  = []byte(`{"verdict":"approve"}`)
)

// answered is what the work reads of an answer.
type answered struct {
	ID     access.RequestID    `json:"id"`
	State  access.RequestState `json:"state"`
	Grants []struct {
		ID        access.GrantID    `json:"id"`
		State     access.GrantState `json:"state"`
		LastError string            `json:"last_error"`
	} `json:"grants"`
}

func (p *pairs) one(ctx context.Context, _ int) error {
	id, err := p.ask(ctx)
	if err != nil {
		return err
	}
	return p.approve(ctx, id)
}

// ask makes a request that waits for a review.
func (p *pairs) ask(ctx context.Context) (access.RequestID, error) {
	p.mu.Lock()
	p.asked++
	who := p.bob.as(p.installation.token(asker(p.asked)))
	p.mu.Unlock()
	var r answered
	err := who.call(ctx, http.MethodPost, "/v1/requests", askWrite, &r)
	return r.ID, err
}

func (p *pairs) approve(ctx context.Context, id access.RequestID) error {
	var r answered
	if err := p.bob.call(ctx, http.MethodPost, "/v1/requests/"+string(id)+"/reviews", approve, &r); err != nil {
		return err
	}
	if r.State != access.RequestApproved {
		return fmt.Errorf("request %s is %s after its review", id, r.State)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted = append(p.accepted, id)
	return nil
}

// gate kills the server in the middle of the work, starts it again and looks for everything that was accepted.
func (p *pairs) gate(ctx context.Context, s settings, server *child) (figure, error) {
	killed := make(chan error, 1)
	time.AfterFunc(s.block/2, func() { killed <- server.kill() })
	if _, err := load(ctx, s.workers, s.block*10, nil, p.one); err == nil {
		return figure{}, errors.New("the server was killed, and the work went on")
	}
	if err := <-killed; err != nil {
		return figure{}, err
	}
	again, err := p.installation.start(ctx, "-idle-target")
	if err != nil {
		return figure{}, fmt.Errorf("starting again after kill -9: %w", err)
	}
	if err := again.stop(); err != nil {
		return figure{}, err
	}
	lost := 0
	err = p.installation.books(ctx, func(books *sqlstore.SQLite) error {
		return books.View(ctx, func(tx store.Tx) error {
			for _, id := range p.accepted {
				r, err := tx.Requests().Get(access.DefaultTenant, id)
				if err != nil || r.State != access.RequestApproved {
					lost++
				}
			}
			return nil
		})
	})
	if err == nil && lost > 0 {
		err = fmt.Errorf("%d of %d approved requests were lost with kill -9", lost, len(p.accepted))
	}
	return single("gate: lost with kill -9", fmt.Sprintf("of %d", len(p.accepted)), float64(lost)), err
}
