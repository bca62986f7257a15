package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// standbyAhead is how far ahead the plans of what is due are kept at hand, standbyLimit how many at most, the next to
	// be due first, and standbyRefresh how often the store is asked for them.
	standbyAhead   = 10 * time.Minute
	standbyLimit   = 20_000
	standbyRefresh = time.Minute
	// standbyPage is how many are read at once.
	standbyPage = 500
	// storeAway is how many errors of the store in a row make a worker take back without it.
	storeAway = 2
)

// standby is what this node needs to take access back while the store is away: the plans of what is due soon. It is the
// one thing that an engine keeps of grants in memory, and nothing is lost with it: the store has it all.
type standby struct {
	mu     sync.Mutex
	atHand map[access.GrantID]*handy
	// kept is what keep was told while the store is read, which what was read may not know; nil is one that is not to be
	// at hand.
	kept map[access.GrantID]*handy
	// said is what the store's clock said when this machine's monotonic clock stood at heard.
	said, heard time.Time
	// unsettled are removals that the store has not been told of. loaded says that those of an earlier process are among
	// them.
	unsettled []offlineRemoval
	loaded    bool
}

// handy is a grant that can be taken back without the store.
type handy struct {
	grant access.Grant
	plan  access.Plan
	// taken is set while somebody acts on it, and for good when it is gone.
	taken    bool
	failures int
	again    time.Time
}

func newStandby() *standby { return &standby{atHand: map[access.GrantID]*handy{}} }

// now is the store's clock, as far as it can be known without the store.
func (s *standby) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock()
}

// clock is now. The caller holds mu.
func (s *standby) clock() time.Time { return s.said.Add(time.Since(s.heard)) }

// keep puts a grant at hand whose access this node has just made or extended, if it ends soon, in place of what was known
// of it.
func (s *standby) keep(g access.Grant, plan access.Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.atHand, g.ID)
	var h *handy
	if len(s.atHand) < standbyLimit && g.Deadline.Before(s.clock().Add(standbyAhead)) {
		h = &handy{grant: g, plan: plan}
		s.atHand[g.ID] = h
	}
	if s.kept != nil {
		s.kept[g.ID] = h
	}
}

// refresh puts what read finds in the store at hand, and what keep was told meanwhile.
func (s *standby) refresh(said time.Time, read func() (map[access.GrantID]*handy, error)) error {
	s.mu.Lock()
	s.said, s.heard, s.kept = said, time.Now(), map[access.GrantID]*handy{}
	s.mu.Unlock()
	soon, err := read()
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.kept
	s.kept = nil
	if err != nil {
		return err
	}
	for id, h := range kept {
		delete(soon, id)
		if h != nil {
			soon[id] = h
		}
	}
	s.atHand = soon
	return nil
}

// due lists what is at hand behind a connector, is over, and is in nobody's hands.
func (s *standby) due(name access.ConnectorName) (list []*handy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	for _, h := range s.atHand {
		over := !h.grant.Deadline.After(now) || h.grant.State == access.GrantRevoking && !endsAt(h.grant, now).After(now)
		if h.grant.Entitlement.Connector == name && over && !h.taken && !h.again.After(now) {
			list = append(list, h)
		}
	}
	return list
}

// take reports whether the caller may act on it.
func (s *standby) take(h *handy) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := !h.taken
	h.taken = true
	return free
}

// letGo puts a grant back that could not be taken back, until it is tried again.
func (s *standby) letGo(h *handy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.failures++
	h.again = s.clock().Add(backoff(h.failures))
	h.taken = false
}

// keepAtHand reads what is due soon from the store, and forgets what is not any more.
func (e *Engine) keepAtHand(ctx context.Context) error {
	said, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return err
	}
	return e.standby.refresh(said, func() (map[access.GrantID]*handy, error) { return e.upcoming(ctx, said.Add(standbyAhead)) })
}

// upcoming reads what is due before until. The connectors take turns, so that none uses up the limit of all.
func (e *Engine) upcoming(ctx context.Context, until time.Time) (map[access.GrantID]*handy, error) {
	soon := map[access.GrantID]*handy{}
	var lists []*upcomingGrants
	for name := range e.rules.Load().Connectors {
		if !e.shares(name) { // who else holds a right, and whose turn it is, only the store knows
			lists = append(lists, &upcomingGrants{lane: store.Lane{Tenant: e.cfg.Tenant, Connector: name, Queue: store.QueueLive}, until: until})
		}
	}
	for len(lists) > 0 && len(soon) < standbyLimit {
		for _, list := range lists {
			page, err := list.next(ctx, e.cfg.Store)
			if err != nil {
				return nil, err
			}
			for _, g := range page {
				if soon[g.ID], err = e.handy(ctx, g); err != nil {
					return nil, err
				}
			}
		}
		lists = slices.DeleteFunc(lists, func(l *upcomingGrants) bool { return l.done })
	}
	return soon, nil
}

// upcomingGrants lists the live grants of a lane that are due before until, page by page.
type upcomingGrants struct {
	lane  store.Lane
	until time.Time
	from  store.Due
	done  bool
}

func (u *upcomingGrants) next(ctx context.Context, s store.Store) (live []access.Grant, err error) {
	err = s.View(ctx, func(tx store.Tx) (err error) {
		live, err = tx.Grants().Upcoming(u.lane, u.from, u.until, standbyPage)
		return err
	})
	if err != nil {
		return nil, err
	}
	if u.done = len(live) < standbyPage; !u.done {
		last := live[len(live)-1]
		u.from = store.Due{At: last.DueAt, ID: last.ID}
	}
	// Of an ended one, only something to tidy is left.
	return slices.DeleteFunc(live, func(g access.Grant) bool { return g.State == access.GrantEnded }), nil
}

// handy is the grant with its plan, which is not read again while it is at hand.
func (e *Engine) handy(ctx context.Context, g access.Grant) (*handy, error) {
	e.standby.mu.Lock()
	before := e.standby.atHand[g.ID]
	if before != nil && (before.taken || before.grant.Version == g.Version) {
		e.standby.mu.Unlock()
		return before, nil
	}
	e.standby.mu.Unlock()
	plan, err := e.openPlan(ctx, g.ID)
	return &handy{grant: g, plan: plan}, err
}

// takeBackAtHand takes back what is due behind a connector without asking the store. Revocation waits for nothing: the
// store is told when it is there again.
func (e *Engine) takeBackAtHand(ctx context.Context, name access.ConnectorName) {
	conn, err := e.connector(name)
	if err != nil {
		return
	}
	ctx = context.WithoutCancel(ctx) // what was begun is brought to its end
	for _, h := range e.standby.due(name) {
		if !e.standby.take(h) {
			continue
		}
		removal, err := e.removeOffline(ctx, conn, h)
		if err != nil {
			e.cfg.Observer.AttemptFailed(h.grant, err)
			e.cfg.Log.WarnContext(ctx, "attempt without the store failed", "grant", h.grant.ID,
				"entitlement", h.grant.Entitlement.String(), "overdue", true, "error", err)
			e.standby.letGo(h)
			continue
		}
		e.cfg.Observer.RemovedOffline(h.grant)
		e.cfg.Log.WarnContext(ctx, "the store is away: access was taken back from its plan at hand, and read back as gone",
			"grant", h.grant.ID, "entitlement", h.grant.Entitlement.String(), "sessions_ended", removal.SessionsEnded)
		e.signals.raise(standbyLane)
		if err := e.standby.remember(e.cfg.Journal, removal); err != nil {
			e.cfg.Log.ErrorContext(ctx, "what was taken back without the store could not be journalled; a crash would forget it until the store is read again",
				"grant", h.grant.ID, "error", err)
		}
	}
}
