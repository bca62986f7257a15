package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// The keys of the workers that serve no connector.
const (
	// requestsLane wakes the worker that lets requests lapse, when one is pending.
	requestsLane = "requests"
	// sequenceLane wakes the worker that numbers events, when one is appended.
	sequenceLane = "events"
	// treeLane wakes the worker that adds to the tree over the log, when an event has its position.
	treeLane = "tree"
	// standbyLane wakes the worker that prepares for the store being away.
	standbyLane = "standby"
	// freezesLane wakes the worker that carries out freezes, when there is one.
	freezesLane = "freezes"
	// erasuresLane wakes the worker that forgets people, when somebody is to be forgotten.
	erasuresLane = "erasures"
	// eligibilityLane wakes the worker that decides grants again, after a reload.
	eligibilityLane = "eligibility"
	// peopleLane wakes the worker that decides again what a person has, when something changed of somebody.
	peopleLane = "people"
	// keysLane names the worker that keeps the keys.
	keysLane = "keys"
	// watchLane wakes the worker that looks for events that other nodes have numbered, when somebody waits for them.
	watchLane = "watch"
)

const (
	// queueWorkers is how many Steps run at once in each of a lane's two queues, so that one slow grant does not hold up
	// its neighbours, and no number of new ones what must be taken back.
	queueWorkers = 4
	// maxClaim bounds what a worker claims at once: what a target takes back with one call. One lease covers it all, so a
	// worker begins with one grant, and takes more while there is more and the target is quick.
	maxClaim = connector.MaxBatch
	// quick is how long a Step may take that lets a worker take more.
	quick = 200 * time.Millisecond
	// laneFloor is the shortest pause between two looks at a lane that has something due which cannot be claimed.
	laneFloor = 50 * time.Millisecond
	// letGoLimit is how long a Runner that stops tries to give back what it has in hand.
	letGoLimit = 5 * time.Second
	// storePause is the pause after an error of the store.
	storePause = time.Second
	// laneCeiling bounds how long a lane sleeps: another node may have brought work forward.
	laneCeiling = time.Minute
	// sequencePause is how long events may wait for their positions that another node appended, and did not number before
	// it died.
	sequencePause = 10 * time.Second
	// peoplePause is how long a change of somebody may wait that another node has noted, and did not see to before it died.
	peoplePause = 10 * time.Second
	// treePause is the shortest time between two checkpoints: what is logged meanwhile shares one. treeRetry is the pause
	// after an error, which an entry that was tampered with stays.
	treePause = 500 * time.Millisecond
	treeRetry = 10 * time.Second
)

// Runner calls Step: each connector has a lane of its own with a few workers, so that a target that is slow or dead
// delays no other. One worker calls Lapse, one Sequence, and one watches what other nodes have entered. A worker holds one
// timer however many grants there are. One more worker for each connector calls Reconcile, at the start and every few
// minutes.
type Runner struct {
	engine *Engine
	cancel context.CancelFunc
	done   sync.WaitGroup
	// ctx ends with Stop. lanes end what runs for each connector.
	ctx   context.Context
	mu    sync.Mutex
	lanes map[access.ConnectorName]context.CancelFunc
}

// NewRunner makes a runner for every connector of the engine.
func NewRunner(e *Engine) *Runner {
	return &Runner{engine: e, lanes: map[access.ConnectorName]context.CancelFunc{}}
}

// Start begins to work. It is called once.
func (r *Runner) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.ctx, r.cancel = ctx, cancel
	r.Sync()
	r.done.Go(func() {
		r.loop(ctx, requestsLane, func() (Progress, error) {
			next, err := r.engine.Lapse(ctx)
			return Progress{Next: next}, err
		})
	})
	r.done.Go(func() { r.loop(ctx, standbyLane, func() (Progress, error) { return r.standBy(ctx) }) })
	holder := r.engine.cfg.IDs.New("node_")
	r.done.Go(func() {
		r.loop(ctx, sequenceLane, func() (Progress, error) { return r.sequence(ctx, holder) })
	})
	r.done.Go(func() {
		r.loop(ctx, freezesLane, func() (Progress, error) {
			more, err := r.engine.Sweep(ctx)
			return r.again(ctx, more, err)
		})
	})
	r.done.Go(func() { r.loop(ctx, erasuresLane, func() (Progress, error) { return r.erase(ctx) }) })
	r.done.Go(func() {
		r.loop(ctx, eligibilityLane, func() (Progress, error) {
			more, err := r.engine.Reconsider(ctx)
			return r.again(ctx, more, err)
		})
	})
	r.done.Go(func() { r.loop(ctx, peopleLane, func() (Progress, error) { return r.reconsiderPeople(ctx) }) })
	r.done.Go(func() { r.loop(ctx, treeLane, func() (Progress, error) { return r.integrate(ctx) }) })
	r.done.Go(func() {
		r.loop(ctx, keysLane, func() (Progress, error) { return r.keepKeys(ctx, holder) })
	})
	var seen int64
	r.done.Go(func() {
		r.loop(ctx, watchLane, func() (p Progress, err error) {
			seen, p.Next, err = r.engine.watch(ctx, seen)
			return p, err
		})
	})
}

// Sync gives every connector of the rules in force its lane, and ends the lanes of those that are gone. It is called
// after a Reload.
func (r *Runner) Sync() {
	r.mu.Lock()
	defer r.mu.Unlock()
	connectors := r.engine.rules.Load().Connectors
	for name, end := range r.lanes {
		if _, ok := connectors[name]; !ok {
			end()
			delete(r.lanes, name)
		}
	}
	for name := range connectors {
		if _, ok := r.lanes[name]; !ok {
			ctx, end := context.WithCancel(r.ctx)
			r.lanes[name] = end
			r.work(ctx, name)
		}
	}
}

// work starts the workers of one connector.
func (r *Runner) work(ctx context.Context, name access.ConnectorName) {
	for _, queue := range []store.Queue{store.QueueNew, store.QueueLive} {
		lane := store.Lane{Tenant: r.engine.cfg.Tenant, Connector: name, Queue: queue}
		for range queueWorkers {
			r.done.Go(func() { r.loop(ctx, lane, r.stepper(ctx, lane)) })
		}
	}
	r.done.Go(func() { r.reconcile(ctx, store.Lane{Tenant: r.engine.cfg.Tenant, Connector: name}) })
}

// sequence numbers a batch of events. There is more to do at once, or something to look for after a pause.
func (r *Runner) sequence(ctx context.Context, holder string) (Progress, error) {
	more, err := r.engine.Sequence(ctx, holder)
	if err != nil {
		return Progress{}, err
	}
	now, err := r.engine.cfg.Store.Now(ctx)
	if more {
		return Progress{Claimed: sequenceBatch, Next: now}, err
	}
	return Progress{Next: now.Add(sequencePause)}, err
}

// integrate adds to the tree, and lets some time pass, so that what is logged meanwhile shares a checkpoint. An entry that
// was tampered with is said again and again: nothing but a person mends that.
func (r *Runner) integrate(ctx context.Context) (Progress, error) {
	more, err := r.engine.Integrate(ctx)
	switch {
	case err == nil && more:
		return r.again(ctx, more, err)
	case err == nil:
		r.rest(ctx, treePause)
	default:
		r.rest(ctx, treeRetry)
	}
	return Progress{}, err
}

// erase goes on with an erasure, and waits where it waits for entries to be numbered.
func (r *Runner) erase(ctx context.Context) (Progress, error) {
	more, err := r.engine.Erase(ctx)
	if errors.Is(err, errNotNumbered) {
		r.rest(ctx, watchPause)
		more, err = true, nil
	}
	return r.again(ctx, more, err)
}

// reconsiderPeople decides again what people have of whom something changed. Another node may have noted it, and died.
func (r *Runner) reconsiderPeople(ctx context.Context) (Progress, error) {
	more, err := r.engine.ReconsiderPeople(ctx)
	if err != nil || more {
		return r.again(ctx, more, err)
	}
	now, err := r.engine.cfg.Store.Now(ctx)
	return Progress{Next: now.Add(peoplePause)}, err
}

// rest lets time pass, or the runner stop.
func (r *Runner) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepKeys takes a rotation of the keys one step on. Whether there is one is looked for after a pause.
func (r *Runner) keepKeys(ctx context.Context, holder string) (Progress, error) {
	more, err := r.engine.KeepKeys(ctx, holder)
	if more && err == nil {
		return r.again(ctx, more, err)
	}
	if err != nil && ctx.Err() == nil {
		r.engine.cfg.Log.ErrorContext(ctx, "the keys could not be brought up to date; this node goes on with those that it has", "error", err)
	}
	now, err := r.engine.cfg.Store.Now(ctx)
	return Progress{Next: now.Add(keysPause)}, err
}

// standBy tells the store what was done while it was away, and reads what may have to be done if it goes away.
func (r *Runner) standBy(ctx context.Context) (Progress, error) {
	if err := r.engine.settleOffline(ctx); err != nil {
		return Progress{}, err
	}
	if err := r.engine.keepAtHand(ctx); err != nil {
		return Progress{}, err
	}
	return Progress{Next: r.engine.standby.now().Add(standbyRefresh)}, nil
}

// stepper is a worker's Step, which takes more grants at once while that goes quickly, and goes on without the store
// while that is away.
func (r *Runner) stepper(ctx context.Context, lane store.Lane) func() (Progress, error) {
	limit, errs := 1, 0
	return func() (Progress, error) {
		began := time.Now()
		p, err := r.step(ctx, lane, limit)
		if p.Claimed == limit && time.Since(began) < quick {
			limit = min(2*limit, maxClaim)
		} else {
			limit = max(1, limit/2)
		}
		if err == nil {
			errs = 0
		} else if errs++; errs >= storeAway && lane.Queue == store.QueueLive {
			r.engine.takeBackAtHand(ctx, lane.Connector)
		}
		return p, err
	}
}

func (r *Runner) step(ctx context.Context, lane store.Lane, limit int) (Progress, error) {
	now, err := r.engine.cfg.Store.Now(ctx)
	if err != nil {
		return Progress{}, err
	}
	return r.engine.Step(ctx, now, lane, limit)
}

// Stop lets the Steps under way come to their end, gives back what they have in hand, and returns when they have. Stopping
// twice is safe.
func (r *Runner) Stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), letGoLimit)
	defer cancel()
	if err := r.engine.letGo(ctx); err != nil {
		r.engine.cfg.Log.WarnContext(ctx, "what is in hand could not be given back; it comes up again when its lease has passed", "error", err)
	}
}

// again is the progress of work that goes on at once while there is more.
func (r *Runner) again(ctx context.Context, more bool, err error) (Progress, error) {
	if err != nil || !more {
		return Progress{}, err
	}
	now, err := r.engine.cfg.Store.Now(ctx)
	return Progress{Claimed: 1, Next: now}, err
}

// loop works whenever something is due or is said to have changed.
func (r *Runner) loop(ctx context.Context, key any, step func() (Progress, error)) {
	changed, unsubscribe := r.engine.signals.subscribe(key)
	defer unsubscribe()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-changed:
		}
		p, err := step()
		if err != nil && ctx.Err() == nil {
			r.engine.cfg.Log.ErrorContext(ctx, "a step failed in the store", "lane", key, "error", err)
		}
		timer.Reset(r.pause(ctx, p, err))
	}
}

// pause is how long a worker sleeps when nobody wakes it.
func (r *Runner) pause(ctx context.Context, p Progress, err error) time.Duration {
	now, clockErr := r.engine.cfg.Store.Now(ctx)
	switch {
	case errors.Join(err, clockErr) != nil:
		return storePause
	case p.Next.IsZero():
		return laneCeiling
	case p.Claimed > 0:
		return max(0, min(p.Next.Sub(now), laneCeiling))
	default:
		return max(laneFloor, min(p.Next.Sub(now), laneCeiling))
	}
}

// reconcile compares a connector's target with the books again and again.
func (r *Runner) reconcile(ctx context.Context, lane store.Lane) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		c, err := r.engine.Reconcile(ctx, lane)
		switch log := r.engine.cfg.Log; {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.WarnContext(ctx, "a target could not be compared with the books", "connector", lane.Connector, "error", err)
		case c.Opened+c.Gone+c.Missing+c.Unread > 0:
			log.InfoContext(ctx, "a target was compared with the books", "connector", lane.Connector, "sighted", c.Sighted,
				"opened", c.Opened, "gone", c.Gone, "missing", c.Missing, "unread", c.Unread)
		}
		conn, err := r.engine.connector(lane.Connector)
		if err != nil {
			return // a reload has taken it out, and ctx is about to end
		}
		timer.Reset(r.jittered(conn.Reconcile()))
	}
}

// jittered is about d: a tenth more or less, so that connectors and nodes do not all ask at once.
func (r *Runner) jittered(d time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(r.engine.cfg.Random, b[:]); err != nil {
		return d
	}
	tenth := d / 10
	return d - tenth + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(2*tenth+1))
}
