package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// How late access ends must not depend on how fast the books are written. So what ends at its deadline, and is an object of
// the grant's own, is written as revoking a moment ahead; at the deadline only the target is waited for; and what was read
// back is settled when nothing else is due. A crash in between costs nothing: the lease passes, or is voided
// at the next start, and the access is taken back once more.

const (
	// announceAhead is how long before its deadline a grant is written as revoking. From then on it is not extended, and
	// its credential is not handed out.
	announceAhead = 2 * time.Second
	// announceShare is the part of its time that a grant has at most lost by that: a short one is written at its deadline.
	announceShare = 10
	// aheadLimit bounds what one lane has in hand.
	aheadLimit = 20_000
)

// ahead is what a lane of this node has in hand: grants under its lease that are taken back at their deadlines, and those
// that were, and are not settled yet. The store has it all but for what was read.
type ahead struct {
	mu sync.Mutex
	// seen is how far the store was looked through for what ends soon. What comes to lie before it is found when it is due.
	seen store.Due
	// coming are announced, in the order of their deadlines.
	coming []*removal
	// done were taken back, or could not be.
	done []*removal
}

// aheads are those of all lanes.
type aheads struct {
	mu    sync.Mutex
	lanes map[access.ConnectorName]*ahead
}

func newAheads() *aheads { return &aheads{lanes: map[access.ConnectorName]*ahead{}} }

func (a *aheads) of(name access.ConnectorName) *ahead {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lanes[name] == nil {
		a.lanes[name] = &ahead{}
	}
	return a.lanes[name]
}

// all lists them.
func (a *aheads) all() []*ahead {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.lanes))
}

// takeDue takes up to limit of what has come to its deadline.
func (a *ahead) takeDue(now time.Time, limit int) []*removal {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < min(limit, len(a.coming)) && !a.coming[n].grant.Deadline.After(now) {
		n++
	}
	return cut(&a.coming, n)
}

// takeComing takes up to limit of what is announced, whenever it is due.
func (a *ahead) takeComing(limit int) []*removal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return cut(&a.coming, min(limit, len(a.coming)))
}

// takeDone takes up to limit of what is to be settled.
func (a *ahead) takeDone(limit int) []*removal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return cut(&a.done, min(limit, len(a.done)))
}

// cut takes the first n of a list.
func cut(list *[]*removal, n int) []*removal {
	first := slices.Clone((*list)[:n])
	*list = slices.Delete(*list, 0, n)
	return first
}

// addComing adds what was announced, which comes in the order of the deadlines unless two workers announce at once.
func (a *ahead) addComing(list []*removal, seen store.Due) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = later(a.seen, seen)
	if len(list) == 0 {
		return
	}
	n := len(a.coming)
	a.coming = append(a.coming, list...)
	if n > 0 && list[0].grant.Deadline.Before(a.coming[n-1].grant.Deadline) {
		slices.SortStableFunc(a.coming, func(x, y *removal) int { return x.grant.Deadline.Compare(y.grant.Deadline) })
	}
}

func later(a, b store.Due) store.Due {
	if cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) < 0 {
		return b
	}
	return a
}

func (a *ahead) addDone(list []*removal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = append(a.done, list...)
}

// room is how many more may be announced.
func (a *ahead) room() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, aheadLimit-len(a.coming)-len(a.done))
}

// lapses reports whether the lease of something that is over ends before a moment. Who claimed it then would take it back again,
// and under a load that lasts nothing would ever be settled.
func (a *ahead) lapses(before time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.done, func(r *removal) bool { return r.grant.DueAt.Before(before) })
}

// looked is how far the store was looked through.
func (a *ahead) looked() store.Due {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

// next is when something in hand must be seen to; zero when nothing is in hand.
func (a *ahead) next(now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case len(a.done) > 0:
		return now
	case len(a.coming) > 0:
		return a.coming[0].grant.Deadline
	default:
		return time.Time{}
	}
}

// stepAhead is a Step in a lane where each grant has an object of its own. What must be done at the target now goes first, then
// what is to be written ahead; what is over is settled when neither is left, or before its lease passes.
func (e *Engine) stepAhead(ctx context.Context, now time.Time, lane store.Lane, conn *connector.Connector, limit int) (Progress, error) {
	a := e.aheads.of(lane.Connector)
	n, err := e.mostUrgent(ctx, now, lane, conn, a, limit)
	if more := n == limit && a.room() > 0 && !a.lapses(now.Add(conn.Timeout())); err != nil || more {
		return Progress{Claimed: n, Next: now}, err
	}
	if err := e.settleDone(context.WithoutCancel(ctx), a); err != nil {
		return Progress{Claimed: n, Next: now}, err
	}
	next, err := e.outlook(ctx, now, lane, a)
	return Progress{Claimed: n, Next: earliestOf(next.due, next.announce, a.next(now))}, err
}

// outlook is when something in a lane is due by the store, and when something is to be announced; zero means never.
type outlook struct{ due, announce time.Time }

func (e *Engine) outlook(ctx context.Context, now time.Time, lane store.Lane, a *ahead) (o outlook, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		if o.due, err = tx.Grants().NextDue(lane); err != nil || a.room() == 0 {
			return err
		}
		soon, err := tx.Grants().Upcoming(lane, a.looked(), now.Add(announceAhead+laneCeiling), 1)
		for _, g := range soon {
			o.announce = g.DueAt.Add(-announceAhead)
		}
		return err
	})
	return o, err
}

// earliestOf is the earliest of the times that are not zero.
func earliestOf(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// mostUrgent does the most urgent of what there is to do, for at most limit grants, and returns for how many.
func (e *Engine) mostUrgent(ctx context.Context, now time.Time, lane store.Lane, conn *connector.Connector, a *ahead, limit int) (int, error) {
	if due := a.takeDue(now, limit); len(due) > 0 {
		return len(due), e.removeTogether(context.WithoutCancel(ctx), conn, a, due)
	}
	has, err := e.outlook(ctx, now, lane, a)
	if err != nil {
		return 0, err
	}
	come := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if come(has.due) {
		if n, err := e.claimAndAct(ctx, now, lane, conn, a, limit); n > 0 || err != nil {
			return n, err
		}
	}
	if come(has.announce) {
		return e.announce(ctx, now, lane, conn, a, min(limit, a.room()))
	}
	return 0, nil
}

// claimAndAct acts on what is due, and returns how many grants it claimed.
func (e *Engine) claimAndAct(ctx context.Context, now time.Time, lane store.Lane, conn *connector.Connector, a *ahead, limit int) (int, error) {
	work, err := e.claim(ctx, now, lane, conn, limit)
	ctx = context.WithoutCancel(ctx) // what was begun is brought to its end
	together, alone := apart(work)
	list, readErr := e.removals(ctx, together)
	return len(work), errors.Join(err, readErr, e.removeTogether(ctx, conn, a, list), e.actOn(ctx, conn, alone))
}

// announce writes up to limit grants that end soon as revoking, under a lease that lasts until they are taken back.
func (e *Engine) announce(ctx context.Context, now time.Time, lane store.Lane, conn *connector.Connector, a *ahead, limit int) (int, error) {
	lease, seen := e.cfg.IDs.New("lease_"), a.looked()
	var announced []access.Grant
	var err error
	for left := limit; left > 0 && err == nil; left -= bite {
		var some []access.Grant
		var more bool
		some, seen, more, err = e.announceSome(ctx, now, lane, seen, min(left, bite), announcement{lease: lease, lasts: leaseFor(conn)})
		announced = append(announced, some...)
		if !more {
			break
		}
	}
	list, readErr := e.removals(context.WithoutCancel(ctx), announced)
	if readErr != nil {
		list = nil
		for _, g := range announced { // they fail when they are due, and are tried again
			list = append(list, &removal{grant: g, err: readErr})
		}
	}
	a.addComing(list, seen)
	return len(announced), err
}

// announcement is under whose lease a grant is announced, and for how long after its deadline.
type announcement struct {
	lease string
	lasts time.Duration
}

// announceSome looks through the next of what is due in the lane, and reports how far it came and whether there is more.
func (e *Engine) announceSome(ctx context.Context, now time.Time, lane store.Lane, from store.Due, limit int, as announcement) (announced []access.Grant, seen store.Due, more bool, err error) {
	var some []access.Grant
	var last store.Due
	var full bool
	err = e.update(ctx, txAnnounce, func(c *change) error {
		some, last = nil, from
		list, err := c.Grants().Upcoming(lane, from, now.Add(announceAhead), limit)
		if err != nil {
			return err
		}
		for _, g := range list {
			last = store.Due{At: g.DueAt, ID: g.ID}
			if !announceable(g) {
				continue
			}
			g.Lease, g.DueAt, g.EndReason = as.lease, latest(now, g.Deadline).Add(as.lasts), access.EndExpired
			if err := c.beginRevoking(&g, access.Event{}); err != nil {
				return err
			}
			some = append(some, g)
		}
		full = len(list) == limit
		return nil
	})
	if err != nil {
		// After a cancelled wait the transaction may still run, and its variables are its own until it is known to be over.
		return nil, from, false, err
	}
	return some, last, full, nil
}

// announceable reports whether what is left for a grant is its end at the deadline. One that is being extended, or given a
// new credential, is left to that.
func announceable(g access.Grant) bool {
	return g.State == access.GrantActive && g.ExtendTo.IsZero() && g.ActBy.IsZero() && g.DueAt.Equal(g.Deadline) &&
		g.Deadline.Sub(g.ActivatedAt) >= announceShare*announceAhead
}

// isAnnounced reports whether a grant is on its way out and its deadline is still to come.
func (c *change) isAnnounced(g access.Grant) bool {
	return g.State == access.GrantRevoking && endsAt(g, c.Now()).After(c.Now())
}

// endsAt is when a grant that is on its way out is taken back: at once, but at its deadline if that is why.
func endsAt(g access.Grant, now time.Time) time.Time {
	if g.EndReason == access.EndExpired {
		return latest(now, g.Deadline)
	}
	return now
}

// letGo settles what is over and gives back what was announced, so that nobody has to wait for the leases of a node that
// has stopped.
func (e *Engine) letGo(ctx context.Context) error {
	for _, a := range e.aheads.all() {
		if err := e.settleDone(ctx, a); err != nil {
			return err
		}
		for some := a.takeComing(bite); len(some) > 0; some = a.takeComing(bite) {
			err := e.update(ctx, txVoided, func(c *change) error {
				for _, r := range some {
					g := r.grant
					c.dueAt(&g, endsAt(g, c.Now()))
					if err := lost(c.save(&g)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
