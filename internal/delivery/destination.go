package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// attemptLimit bounds one delivery, with all that is read for it.
	attemptLimit = 30 * time.Second
	// leaseMargin is how long a node that died keeps the others from a destination, beyond the pause and an attempt.
	leaseMargin = 15 * time.Second
	// retryCeiling is the longest pause between two tries. They never end.
	retryCeiling = time.Minute
)

// carrier delivers to one destination what is behind its cursor.
type carrier interface {
	// waits reports whether something is to be delivered, or looked at.
	waits(cursor store.Cursor, head store.LogHead) bool
	// carry delivers a bounded piece of it, and returns the cursor behind that; the same when nothing was to be delivered
	// after all. more reports that there is more at once.
	carry(ctx context.Context, cursor store.Cursor, head store.LogHead) (to store.Cursor, more bool, err error)
	// lastly reports whether what waits when the service stops is to be delivered before.
	lastly() bool
	// close ends what carry keeps open.
	close() error
}

// destination is a worker that serves one destination.
type destination struct {
	cfg   *Config
	name  string
	kind  Kind
	pause time.Duration
	carrier

	// leased is until when this node has the lease, by its own clock.
	leased time.Time
	// failures is how many attempts have failed in a row.
	failures int

	mu    sync.Mutex
	state state
}

// state is what the log is told of when it changes.
type state uint8

const (
	stateServed state = iota
	stateFailing
	stateRewritten
)

func newDestination(c *Config, name string, kind Kind, pause time.Duration, carries carrier) *destination {
	return &destination{cfg: c, name: name, kind: kind, pause: pause, carrier: carries}
}

func (d *destination) status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Status{Name: d.name, Kind: d.kind, Failing: d.state != stateServed, Rewritten: d.state == stateRewritten}
}

// run serves the destination until ctx ends.
func (d *destination) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		more, err := d.attempt(ctx)
		if ctx.Err() != nil {
			return // what was cut short is no failure
		}
		d.enter(ctx, err)
		timer.Reset(d.rest(more))
	}
}

// rest is the pause before the next attempt.
func (d *destination) rest(more bool) time.Duration {
	switch {
	case d.failures > 0:
		return jittered(min(retryCeiling, time.Second<<min(d.failures-1, 6)))
	case more:
		return 0
	}
	return d.pause
}

// jittered is d or less, but not half of it, so that what failed together does not try again together.
func jittered(d time.Duration) time.Duration {
	less, err := rand.Int(rand.Reader, big.NewInt(int64(d/2)))
	if err != nil {
		return d
	}
	return d - time.Duration(less.Int64())
}

// attempt delivers a piece, if there is something to deliver and this node is the one to do it.
func (d *destination) attempt(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	head, cursor, err := d.look(ctx)
	if err != nil || !d.waits(cursor, head) {
		return false, err
	}
	cursor, ours, err := d.claim(ctx)
	if err != nil || !ours || !d.waits(cursor, head) {
		return false, err
	}
	to, more, err := d.carry(ctx, cursor, head)
	if err != nil || to.Position == cursor.Position {
		return false, err
	}
	return more, d.advance(ctx, cursor.Position, to)
}

// look reads how far the log has come, and how far the destination. It writes nothing.
func (d *destination) look(ctx context.Context) (head store.LogHead, cursor store.Cursor, err error) {
	if head, err = d.cfg.Audit.Checkpoint(ctx); err != nil {
		return head, cursor, err
	}
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		cursor, err = tx.Cursors().Get(d.cfg.Tenant, d.name)
		return err
	})
	return head, cursor, err
}

// claim takes the lease, unless this node has it for long enough, and reads the cursor under it.
func (d *destination) claim(ctx context.Context) (store.Cursor, bool, error) {
	began := time.Now()
	// The transaction may go on when the wait for it has ended: what it writes is read after its success alone.
	var cursor store.Cursor
	var ours bool
	err := d.cfg.Store.Update(ctx, Transaction, func(tx store.Tx) (err error) {
		if ours, err = tx.Leases().Acquire(d.lease(), d.cfg.Holder, tx.Now().Add(d.leaseFor())); err != nil || !ours {
			return err
		}
		cursor, err = tx.Cursors().Get(d.cfg.Tenant, d.name)
		return err
	})
	if err != nil {
		return store.Cursor{}, false, err
	}
	if ours {
		d.leased = began.Add(d.leaseFor())
	}
	return cursor, ours, nil
}

// advance moves the cursor under the lease, which it renews. A cursor that another node has moved meanwhile is a conflict:
// what was delivered was delivered twice.
func (d *destination) advance(ctx context.Context, from int64, to store.Cursor) error {
	return d.cfg.Store.Update(ctx, Transaction, func(tx store.Tx) error {
		if _, err := tx.Leases().Acquire(d.lease(), d.cfg.Holder, tx.Now().Add(d.leaseFor())); err != nil {
			return err
		}
		to.At = tx.Now()
		return tx.Cursors().Advance(d.cfg.Tenant, d.name, from, to)
	})
}

func (d *destination) lease() string { return "delivery " + string(d.cfg.Tenant) + " " + d.name }

// leaseFor outlasts the pause, so that one node stays at a destination, and an attempt.
func (d *destination) leaseFor() time.Duration { return d.pause + attemptLimit + leaseMargin }

// enter notes how an attempt went, and has the log told when that has changed.
func (d *destination) enter(ctx context.Context, err error) {
	now := stateServed
	switch {
	case errors.Is(err, audit.ErrRewritten):
		now = stateRewritten
	case err != nil:
		now = stateFailing
	}
	if d.failures++; err == nil {
		d.failures = 0
	}
	d.mu.Lock()
	before := d.state
	d.state = now
	d.mu.Unlock()
	if now == before {
		return
	}
	log := d.cfg.Log.With("destination", d.name, "kind", d.kind)
	switch now {
	case stateRewritten:
		log.ErrorContext(ctx, "a witness has another audit log than this store: one of the two was rewritten; see docs/audit.md, \"When a witness disagrees\"", "error", err)
	case stateFailing:
		log.WarnContext(ctx, "a destination of the audit log is not served; it is tried again and again", "error", err)
	default:
		log.InfoContext(ctx, "a destination of the audit log is served again")
	}
}

// end delivers for the last time, and gives the lease back.
func (d *destination) end(ctx context.Context) {
	if d.lastly() {
		_, err := d.attempt(ctx)
		d.enter(ctx, err)
	}
	if err := d.close(); err != nil {
		d.cfg.Log.DebugContext(ctx, "closing a destination of the audit log", "destination", d.name, "error", err)
	}
	if d.leased.IsZero() {
		return
	}
	// A lease that cannot be given back passes.
	_ = d.cfg.Store.Update(ctx, Transaction, func(tx store.Tx) error { return tx.Leases().Release(d.lease(), d.cfg.Holder) })
}
