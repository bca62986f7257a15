package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// dropped is how many roles one statement of number 4's limit drops.
const dropped = 100

// measureRevocations is number 4: grants on PostgreSQL that were made through the front door end at one instant, some with
// open sessions. Late is the time from there until the role was read back as gone. Its limit drops as many roles, a hundred
// with a statement.
func measureRevocations(ctx context.Context, s settings) ([]figure, error) {
	n, sessions, rounds := 20_000, 48, min(s.rounds, 3)
	if s.quick {
		n, sessions, rounds = 500, 12, 1
	}
	var last, p99, p50, cost, ofPostgres, limits, limitCost []float64
	for i := range rounds {
		r, err := revokeAtOnce(ctx, s, n, sessions, false)
		if err != nil {
			return nil, err
		}
		s.progress("   round %d: last %.0f ms late, p99 %.0f ms, %.0f µs CPU each; limit %.0f ms", i+1, milliseconds(percentile(r.late, 1)),
			milliseconds(percentile(r.late, 0.99)), r.server.cost(), milliseconds(r.limit.elapsed))
		last, p99 = append(last, milliseconds(percentile(r.late, 1))), append(p99, milliseconds(percentile(r.late, 0.99)))
		p50 = append(p50, milliseconds(percentile(r.late, 0.5)))
		cost, ofPostgres = append(cost, r.server.cost()), append(ofPostgres, r.postgres.cost())
		limits, limitCost = append(limits, milliseconds(r.limit.elapsed)), append(limitCost, r.limit.cost())
	}
	gate, err := revokeAtOnce(ctx, s, n, sessions, true)
	if err != nil {
		return nil, err
	}
	return []figure{
		single("grants at one instant", "", float64(n)),
		single("of them with an open session, all ended", "", float64(sessions)),
		estimate("p50 late", "ms", p50, "", ""),
		estimate("p99 late", "ms", p99, "≤ 1 s", ""),
		estimate("last one late", "ms", last, "", ""),
		estimate("server CPU", "µs/grant", cost, "", ""),
		estimate("PostgreSQL's CPU", "µs/grant", ofPostgres, "", ""),
		estimate(fmt.Sprintf("limit: as many roles dropped, %d a statement", dropped), "ms", limits, "", "four connections"),
		estimate("limit's CPU", "µs/role", limitCost, "", ""),
		single("gate: left with kill -9 in the middle", fmt.Sprintf("of %d", n), float64(n-len(gate.late))),
		single("gate: ended before it", fmt.Sprintf("of %d", n), float64(gate.beforeKill)),
		single("gate: last one late then", "ms", milliseconds(percentile(gate.late, 1))),
	}, nil
}

// revoked is what came of one moment at PostgreSQL.
type revoked struct {
	late             []time.Duration
	server, postgres sample
	limit            sample
	beforeKill       int
}

// revokeAtOnce makes the grants, lets them end, and looks for what is left: in the books, among the roles, and of the
// sessions.
func revokeAtOnce(ctx context.Context, s settings, n, sessions int, killed bool) (r revoked, err error) {
	t, err := startTarget(ctx, s.workers, 1)
	if err != nil {
		return revoked{}, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	m, open, err := makeMoment(ctx, s, t, n, sessions)
	if err != nil {
		return revoked{}, err
	}
	defer func() {
		for _, conn := range open {
			_ = conn.Close(ctx) // it was ended
		}
	}()
	sleep(ctx, time.Until(m.at.Add(-workAhead)))
	databases := t.processes()
	server, postgres := treeCPU(m.server.pid()), treeCPU(databases...)
	if killed {
		if r.beforeKill, err = m.killInTheMiddle(ctx); err != nil {
			return revoked{}, err
		}
		server = 0
	}
	cpu, err := m.finish(ctx)
	if err != nil {
		return revoked{}, err
	}
	r.server = sample{ops: n, cpu: cpu - server}
	r.postgres = sample{ops: n, cpu: treeCPU(databases...) - postgres}
	if r.late, err = m.lateness(ctx); err != nil {
		return revoked{}, err
	}
	if err := leftAtTarget(ctx, t, open, !killed); err != nil {
		return revoked{}, err
	}
	r.limit, err = dropLimit(ctx, t, n)
	return r, err
}

// leftAtTarget fails when a role of a grant that has ended is still there, able to log in or not, or a session. A server
// that lived counts the sessions that it ended; one that was killed in between cannot have counted them all.
func leftAtTarget(ctx context.Context, t *target, open []*pgx.Conn, lived bool) error {
	grants, err := t.grants(ctx)
	if err != nil {
		return err
	}
	roles, err := markedRoles(ctx, t.pool)
	if err != nil {
		return err
	}
	for id := range roles {
		if !grants[id].State.Live() {
			return fmt.Errorf("the role of grant %s is still there: %+v", id, grants[id])
		}
	}
	ended := 0
	for _, g := range grants {
		ended += g.SessionsEnded
	}
	for _, conn := range open {
		if conn.Ping(ctx) == nil {
			return errors.New("a session is still open after its grant has ended")
		}
	}
	if ended > len(open) || lived && ended < len(open) {
		return fmt.Errorf("the books count %d sessions ended, and there were %d", ended, len(open))
	}
	return holdRolesAgainst(ctx, t.pool, grants)
}

// makeMoment makes n grants that end at one moment, and opens sessions under some of them. How far off the moment must be
// is measured first, with grants that live on.
func makeMoment(ctx context.Context, s settings, t *target, n, sessions int) (*moment, []*pgx.Conn, error) {
	server, err := t.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	first, err := load(ctx, s.workers, 2*s.block, nil, newLogins(t.installation, server.url).one)
	if err = errors.Join(err, server.stop()); err != nil {
		return nil, nil, err
	}
	needed := time.Duration(1.5*float64(n)/first.rate()*float64(time.Second)) + 20*time.Second
	m := &moment{installation: t.installation, grants: n, at: time.Now().Add(needed).Truncate(time.Microsecond), targetMade: true}
	const without = "approve: auto}"
	with := fmt.Sprintf(`approve: auto, until: 'timestamp("%s")'}`, m.at.UTC().Format(time.RFC3339Nano))
	if err := errors.Join(t.edit(without, with), m.start(ctx)); err != nil {
		return nil, nil, err
	}
	// A start after the moment decides each grant again, and must not find the rule that gave it over.
	if err := t.edit(with, without); err != nil {
		return nil, nil, errors.Join(err, m.server.kill())
	}
	s.progress("   %d grants are made until %s", n, m.at.Format(time.TimeOnly))
	l := newLogins(t.installation, m.server.url)
	l.duration = "23h"
	open, err := l.makeAll(ctx, s.workers, n, sessions)
	if err == nil {
		err = m.rest(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, m.server.kill())
	}
	return m, open, nil
}

// makeAll makes n grants; each of the first opens a session, which stays.
func (l *logins) makeAll(ctx context.Context, workers, n, sessions int) (open []*pgx.Conn, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for k := int(next.Add(1)); k <= n && ctx.Err() == nil; k = int(next.Add(1)) {
				c, err := l.take(ctx, asker(k))
				var conn *pgx.Conn
				if err == nil && k <= sessions {
					conn, err = logIn(ctx, c)
				}
				if err != nil {
					cancel(err)
					return
				}
				if conn != nil {
					mu.Lock()
					open = append(open, conn)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return open, context.Cause(ctx)
}

// limitConnections are as many as the workers of a lane.
const limitConnections = 4

// dropLimit makes n roles and drops them, many with a statement.
func dropLimit(ctx context.Context, t *target, n int) (sample, error) {
	_, err := t.pool.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		EXECUTE format('CREATE ROLE drop_%%s LOGIN VALID UNTIL ''2100-01-01'' IN ROLE orders_read', i); END LOOP; END $$`, n))
	if err != nil {
		return sample{}, err
	}
	databases := t.processes()
	cpu, began := treeCPU(databases...), time.Now()
	var next atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range limitConnections {
		wg.Go(func() {
			for to := int(next.Add(dropped)); to-dropped < n && ctx.Err() == nil; to = int(next.Add(dropped)) {
				var names []string
				for i := to - dropped + 1; i <= min(to, n); i++ {
					names = append(names, fmt.Sprintf("drop_%d", i))
				}
				if _, err := t.pool.Exec(ctx, "DROP ROLE "+strings.Join(names, ", ")); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return sample{ops: n, elapsed: time.Since(began), cpu: treeCPU(databases...) - cpu}, context.Cause(ctx)
}
