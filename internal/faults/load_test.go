package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	// workers ask at the same time, each with a pause between two rounds, and no more rounds than maxRounds.
	workers   = 4
	pace      = 80 * time.Millisecond
	maxRounds = 2000
	// callLimit bounds how long a worker waits for an answer. It is shorter than any fault.
	callLimit = 3 * time.Second
	// brief is how long most grants last; the others last long, until they are given back.
	brief = "1s"
	long  = "1h"
)

// told is what people were told: every answer that said that something was done.
type told struct {
	mu       sync.Mutex
	requests map[access.RequestID]bool
	reviewed map[access.RequestID]bool
	// ended is the reason that the answer to a return gave.
	ended  map[access.GrantID]access.EndReason
	issued map[access.GrantID]bool
	// answers counts by status; 0 is no answer.
	answers map[int]int
	// surprises are answers that no fault explains.
	surprises []string
}

func newTold() *told {
	return &told{
		requests: map[access.RequestID]bool{}, reviewed: map[access.RequestID]bool{},
		ended: map[access.GrantID]access.EndReason{}, issued: map[access.GrantID]bool{}, answers: map[int]int{},
	}
}

// String sums it up.
func (t *told) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("accepted %d requests, %d reviews, %d returns, %d credentials; answers %v",
		len(t.requests), len(t.reviewed), len(t.ended), len(t.issued), t.answers)
}

// answer is what every generated response can say.
type answer interface{ StatusCode() int }

// errNoAnswer is a call of which nobody knows what came of it.
var errNoAnswer = errors.New("no answer")

// errRefused is a call that was answered with a status other than success.
var errRefused = errors.New("refused")

// explained are the refusals that a fault or a race explains: too late, too much, not now.
var explained = []int{http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// take counts an answer, and reads the body of one that says that it is done.
func (t *told) take(r answer, err error, body func() []byte, into any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.answers[0]++
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	status := r.StatusCode()
	t.answers[status]++
	if status < 300 {
		return json.Unmarshal(body(), into)
	}
	if !slices.Contains(explained, status) {
		t.surprises = append(t.surprises, fmt.Sprintf("%d %s", status, body()))
	}
	return fmt.Errorf("%w: %d %s", errRefused, status, body())
}

// accepted is how many requests were.
func (t *told) accepted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requests)
}

// load is people who keep asking.
type load struct {
	w    *world
	stop chan struct{}
	done sync.WaitGroup
}

// startLoad lets them begin. It ends with finish, and by itself.
func (w *world) startLoad() *load {
	l := &load{w: w, stop: make(chan struct{})}
	for i := range workers {
		l.done.Go(func() { l.work(i) })
	}
	return l
}

// finish returns when nobody asks any more.
func (l *load) finish() {
	close(l.stop)
	l.done.Wait()
}

// more waits until so many more requests were accepted.
func (l *load) more(n int) {
	l.w.Helper()
	from := l.w.told.accepted()
	l.w.until("more requests are accepted", func() error {
		if l.w.told.accepted() < from+n {
			return errNotYet
		}
		return nil
	})
}

// work is one worker's: the nodes in turn, and one thing after the other.
func (l *load) work(i int) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for round := range maxRounds {
		p := person{w: l.w, node: l.w.nodes[(i+round)%len(l.w.nodes)]}
		switch round % 3 {
		case 0:
			_, _ = p.submit("db/orders:read", brief)
		case 1:
			if id, err := p.submit("db/orders:write", brief); err == nil {
				p.approve(id)
			}
		case 2:
			p.useAndReturn()
		}
		select {
		case <-tick.C:
		case <-l.stop:
			return
		case <-l.w.ctx.Done():
			return
		}
	}
}

// person calls a node and keeps what the answers say.
type person struct {
	w    *world
	node *node
}

func (p person) submit(entitlement, duration string) (access.RequestID, error) {
	ctx, cancel := contextFor(p.w)
	defer cancel()
	r, err := p.node.as(curfewdtest.Alice).SubmitRequestWithResponse(ctx, nil, client.RequestBody{
		Entitlements: []string{entitlement}, Duration: duration,
	})
	var got client.Request
	if err := p.w.told.take(r, err, func() []byte { return r.Body }, &got); err != nil {
		return "", err
	}
	id := access.RequestID(got.ID)
	p.w.told.keep(func(t *told) { t.requests[id] = true })
	return id, nil
}

func (p person) approve(id access.RequestID) {
	ctx, cancel := contextFor(p.w)
	defer cancel()
	r, err := p.node.as(curfewdtest.Bob).ReviewRequestWithResponse(ctx, string(id), client.ReviewBody{Verdict: "approve"})
	var got client.Request
	if p.w.told.take(r, err, func() []byte { return r.Body }, &got) == nil {
		p.w.told.keep(func(t *told) { t.reviewed[id] = true })
	}
}

// useAndReturn asks for long access, fetches its credential as soon as it is there, and gives it back.
func (p person) useAndReturn() {
	request, err := p.submit("db/orders:read", long)
	if err != nil {
		return
	}
	grant, ok := p.active(request)
	if !ok {
		return
	}
	p.credential(grant)
	_ = p.giveBack(grant)
}

// active waits, for as long as a call may last, until the request's grant is active.
func (p person) active(request access.RequestID) (access.GrantID, bool) {
	ctx, cancel := contextFor(p.w)
	defer cancel()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		r, err := p.node.as(curfewdtest.Alice).GetRequestWithResponse(ctx, string(request), nil)
		var got client.Request
		err = p.w.told.take(r, err, func() []byte { return r.Body }, &got)
		if err == nil && len(got.Grants) == 1 && access.GrantState(got.Grants[0].State) == access.GrantActive {
			return access.GrantID(got.Grants[0].ID), true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", false
		}
	}
}

func (p person) credential(grant access.GrantID) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		p.w.Error(err)
		return
	}
	ctx, cancel := contextFor(p.w)
	defer cancel()
	r, err := p.node.as(curfewdtest.Alice).IssueCredentialWithResponse(ctx, string(grant), client.CredentialBody{Recipient: key.Public()})
	var got client.SealedCredential
	if p.w.told.take(r, err, func() []byte { return r.Body }, &got) == nil {
		p.w.told.keep(func(t *told) { t.issued[grant] = true })
	}
}

func (p person) giveBack(grant access.GrantID) error {
	ctx, cancel := contextFor(p.w)
	defer cancel()
	r, err := p.node.as(curfewdtest.Alice).ReturnGrantWithResponse(ctx, string(grant))
	var got client.Grant
	if err := p.w.told.take(r, err, func() []byte { return r.Body }, &got); err != nil {
		return err
	}
	p.w.told.keep(func(t *told) { t.ended[grant] = access.EndReason(got.EndReason) })
	return nil
}

// keep notes something under the lock.
func (t *told) keep(note func(*told)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	note(t)
}

// snapshot is a copy for the verdict.
func (t *told) snapshot() *told {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &told{
		requests: maps.Clone(t.requests), reviewed: maps.Clone(t.reviewed), ended: maps.Clone(t.ended),
		issued: maps.Clone(t.issued), answers: maps.Clone(t.answers), surprises: slices.Clone(t.surprises),
	}
}
