package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testRestart takes the server away in the middle of a transaction, and brings it back before the next statement.
func testRestart(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	for name, end := range map[string]func() error{
		"stopped": func() error { return p.Restart(t.Context()) },
		"crashed": func() error { return errors.Join(p.Crash(), p.Restart(t.Context())) },
	} {
		runs := 0
		err := s.Update(t.Context(), "restart", func(tx store.Tx) error {
			if err := put(name + " before")(tx); err != nil {
				return err
			}
			if runs++; runs == 1 {
				if err := end(); err != nil {
					return err
				}
			}
			return put(name + " after")(tx)
		})
		if err != nil || runs != 2 {
			t.Errorf("%s: %v after %d runs; want it run again, and written", name, err, runs)
		}
		if !has(t, s, name+" before") || !has(t, s, name+" after") {
			t.Errorf("%s: what was answered is not there", name)
		}
	}
}

// testAway asks while no server is there.
func testAway(t *testing.T, p *peer) {
	dsn := p.empty(t)
	s := openPostgres(t, dsn)
	if err := p.Crash(); err != nil {
		t.Fatal(err)
	}
	_, nowErr := s.Now(t.Context())
	_, openErr := OpenPostgres(t.Context(), dsn, Options{})
	for what, err := range map[string]error{
		"Update":       s.Update(t.Context(), "put", put("lost")),
		"View":         s.View(t.Context(), put("x")),
		"Now":          nowErr,
		"OpenPostgres": openErr,
	} {
		if access.KindOf(err) != access.KindUnavailable || errors.Is(err, store.ErrOutcomeUnknown) {
			t.Errorf("%s: got %v, want the kind %q", what, err, access.KindUnavailable)
		}
		if strings.Contains(fmt.Sprint(err), "choose a password") {
			t.Errorf("%s repeats the password: %v", what, err)
		}
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), "put", put("back")); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	if has(t, s, "lost") || !has(t, s, "back") {
		t.Error("what failed is there, or what succeeded is not")
	}
}

// testCutAtCommit breaks the connection on either side of the commit: the answer is that nobody knows, both times.
func testCutAtCommit(t *testing.T, p *peer) {
	between := newProxy(t, p.Addr())
	s := openPostgres(t, strings.Replace(p.empty(t), p.Addr(), between.Addr(), 1))
	for at, written := range map[cut]bool{beforeCommit: false, afterCommit: true} {
		digest := fmt.Sprint("cut ", at)
		between.set(at)
		runs := 0
		err := s.Update(t.Context(), "cut", func(tx store.Tx) error {
			runs++
			return put(digest)(tx)
		})
		if !errors.Is(err, store.ErrOutcomeUnknown) || access.KindOf(err) != access.KindUnavailable {
			t.Errorf("%s: got %v, want that the outcome is unknown", digest, err)
		}
		if runs != 1 {
			t.Errorf("%s: it ran %d times; what may be written is not tried again", digest, runs)
		}
		if got := has(t, s, digest); got != written {
			t.Errorf("%s: written is %t; want %t", digest, got, written)
		}
	}
}

// testAlwaysOvertaken changes under a transaction's hands what it is about to change, each time that it is tried.
func testAlwaysOvertaken(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	if err := s.Update(t.Context(), "plan", func(tx store.Tx) error { return makeGrant(tx, "gr") }); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := s.Update(t.Context(), "slow", func(tx store.Tx) error {
		runs++
		if _, err := tx.Plans().Get("acme", "gr"); err != nil {
			return err
		}
		if err := s.Update(t.Context(), "quick", func(tx store.Tx) error {
			return tx.Plans().Put("acme", "gr", sealed(fmt.Append(nil, "plan ", runs)))
		}); err != nil {
			t.Errorf("the one that overtakes: %v", err)
		}
		return tx.Plans().Put("acme", "gr", sealed([]byte("slow")))
	})
	if access.KindOf(err) != access.KindUnavailable || runs != maxAttempts {
		t.Errorf("got %v after %d runs; want the kind %q after %d", err, runs, access.KindUnavailable, maxAttempts)
	}
	if got := s.Stats().Replays; got != maxAttempts-1 {
		t.Errorf("%d replays were counted; want %d", got, maxAttempts-1)
	}
}

// makeGrant writes a grant with what it refers to.
func makeGrant(tx store.Tx, id access.GrantID) error {
	ent := access.Entitlement{Connector: "c", Resource: "r", Permission: "p"}
	return errors.Join(
		tx.Keys().Insert(firstKey("acme")),
		tx.Requests().Insert(access.Request{Tenant: "acme", ID: "req", State: access.RequestPending, Entitlements: []access.Entitlement{ent}}),
		tx.Grants().Insert(access.Grant{Tenant: "acme", ID: id, Request: "req", Entitlement: ent, State: access.GrantScheduled}),
		tx.Plans().Put("acme", id, sealed([]byte("plan"))))
}

// testClaimsPass claims in the middle of another claim: the second takes what the first left, and does not wait for it.
func testClaimsPass(t *testing.T, p *peer) {
	lane, now := store.Lane{Tenant: "acme", Connector: "c"}, time.UnixMicro(10)
	for name, read := range map[string]func(store.Grants) ([]access.Grant, error){
		"due":      func(g store.Grants) ([]access.Grant, error) { return g.Due(lane, now, 1) },
		"upcoming": func(g store.Grants) ([]access.Grant, error) { return g.Upcoming(lane, store.Due{}, now, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openPostgres(t, p.empty(t))
			makeDue(t, s, now, "gr_2", "gr_3")
			outer, inner, err := claimWithin(t, s, func(tx store.Tx, lease string) (access.GrantID, error) {
				list, err := read(tx.Grants())
				if err != nil || len(list) != 1 {
					return "", fmt.Errorf("claimed %d: %w", len(list), err)
				}
				g := list[0]
				g.Lease, g.DueAt = lease, now.Add(time.Hour)
				return g.ID, tx.Grants().Update(g)
			})
			if err != nil || outer == inner {
				t.Errorf("%v; the claims got %q and %q; want one each", err, outer, inner)
			}
		})
	}
}

// makeDue makes grants that are due.
func makeDue(t *testing.T, s store.Store, now time.Time, ids ...access.GrantID) {
	t.Helper()
	err := s.Update(t.Context(), "make", func(tx store.Tx) error {
		err := makeGrant(tx, "gr_1")
		for _, id := range ids {
			g, getErr := tx.Grants().Get("acme", "gr_1")
			g.ID, g.DueAt = id, now
			err = errors.Join(err, getErr, tx.Grants().Insert(g))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// claimWithin claims, and claims once more before that is committed.
func claimWithin(t *testing.T, s store.Store, claim func(store.Tx, string) (access.GrantID, error)) (outer, inner access.GrantID, err error) {
	t.Helper()
	var innerErr error
	first := true
	err = s.Update(t.Context(), "outer", func(tx store.Tx) (err error) {
		if outer, err = claim(tx, "outer"); err != nil || !first {
			return err
		}
		first = false
		innerErr = s.Update(t.Context(), "inner", func(tx store.Tx) (err error) {
			inner, err = claim(tx, "inner")
			return err
		})
		return nil
	})
	return outer, inner, errors.Join(err, innerErr)
}

// testNumberTaken has another transaction take the number that is about to be given. That is no serialisation failure to
// PostgreSQL, for the first to commit has read nothing of the second's.
func testNumberTaken(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	err := s.Update(t.Context(), "make", func(tx store.Tx) error { return errors.Join(makeGrant(tx, "gr"), put("d")(tx)) })
	if err != nil {
		t.Fatal(err)
	}
	decide := func(tx store.Tx) error {
		return tx.Decisions().Append(store.Decision{
			Tenant: "acme", Request: "req", PolicyDigest: "d", Input: []byte("{}"), Decision: []byte("{}"),
		})
	}
	first := true
	err = s.Update(t.Context(), "outer", func(tx store.Tx) error {
		if first {
			first = false
			if err := s.Update(t.Context(), "inner", decide); err != nil {
				return err
			}
		}
		return decide(tx)
	})
	if err != nil {
		t.Errorf("a number that another took meanwhile: %v", err)
	}
	if s.Stats().Replays == 0 {
		t.Error("nobody was in the other's way")
	}
}

// testWithdrawn runs a member whose caller has left between the wait for a connection and the beginning.
func testWithdrawn(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	m := newMember("withdrawn", put("withdrawn"))
	m.take()
	if err := s.attempt(t.Context(), m, true); err == nil || has(t, s, "withdrawn") {
		t.Errorf("got %v; the transaction of a caller who was told that nothing is written ran", err)
	}
}

func testCancelledAfterBegin(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	begun, goOn := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(ctx, "begun", func(tx store.Tx) error {
			close(begun)
			<-goOn
			return put("begun")(tx)
		})
	}()
	<-begun
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("got %v, want that the outcome is unknown", err)
	}
	close(goOn)
	s.work.Wait()
	if !has(t, s, "begun") {
		t.Error("the caller's context stopped the transaction, not only the waiting")
	}
}

// testHanging stops the server where it stands, in the middle of a transaction: its caller can leave, and it goes on when
// the server does.
func testHanging(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	ctx, cancel := context.WithCancel(t.Context())
	var resume func() error
	err := s.Update(ctx, "hanging", func(tx store.Tx) (err error) {
		if resume, err = p.Pause(t.Context()); err != nil {
			return err
		}
		cancel()
		return put("hanging")(tx)
	})
	if !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("got %v, want that the outcome is unknown", err)
	}
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	s.work.Wait()
	if !has(t, s, "hanging") {
		t.Error("what was begun was not written")
	}
}

// testNoAnswer asks a server that hangs under a context without an end, as the engine's lanes do.
func testNoAnswer(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	s.limit = 100 * time.Millisecond
	resume, err := p.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, nowErr := s.Now(context.Background())
	viewErr := s.View(context.Background(), func(store.Tx) error { return nil })
	updateErr := s.Update(context.Background(), "put", put("unanswered"))
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Now": nowErr, "View": viewErr, "Update": updateErr} {
		if kind := access.KindOf(err); kind != access.KindUnavailable && kind != access.KindTimeout {
			t.Errorf("%s: got %v, want that it did not wait for an answer", what, err)
		}
	}
}

// testSilent has the server give up a transaction in which nothing was said for too long, as it does with those of a
// process that was stopped.
func testSilent(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	err := s.View(t.Context(), func(on store.Tx) error {
		r, err := on.(*tx).session.query(`SELECT pg_backend_pid() FROM set_config('idle_in_transaction_session_timeout', '10ms', true)`)
		if err != nil {
			return err
		}
		var pid int
		for r.Next() {
			if err := r.Scan(&pid); err != nil {
				return err
			}
		}
		if err := r.Close(); err != nil {
			return err
		}
		super := connect(t, p.SuperuserDSN("curfew"))
		for there := true; there; {
			const alive = `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`
			if err := super.QueryRow(t.Context(), alive, pid).Scan(&there); err != nil {
				return err
			}
		}
		_, err = on.Installation().ID()
		return err
	})
	if access.KindOf(err) != access.KindUnavailable {
		t.Errorf("got %v, want the kind %q", err, access.KindUnavailable)
	}
}

// testNoConnectionFree has a caller leave the queue for the only connection.
func testNoConnectionFree(t *testing.T, p *peer) {
	s := openPostgres(t, with(t, p.empty(t), "pool_max_conns", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	err := s.View(t.Context(), func(store.Tx) error {
		answer := make(chan error, 1)
		go func() { answer <- s.Update(ctx, "waits", put("waits")) }()
		cancel()
		return <-answer
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("got %v, want that nothing was written", err)
	}
	s.work.Wait()
	if has(t, s, "waits") {
		t.Error("the transaction was written after its caller was told that it was not")
	}
}

// testNothingLeaks looks for goroutines here, and sessions at the server, that outlive a store.
func testNothingLeaks(t *testing.T, p *peer) {
	before := goleak.IgnoreCurrent()
	dsn := with(t, p.empty(t), "application_name", "ignored: the store names itself")
	s, err := OpenPostgres(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_ = s.Update(t.Context(), "put", func(tx store.Tx) error {
				if i%4 == 0 {
					panic("a member panics")
				}
				return put(fmt.Sprint(i))(tx)
			})
			_ = s.View(t.Context(), func(tx store.Tx) error { return put("x")(tx) })
		})
	}
	wg.Wait()
	if n := s.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are in use when nobody uses the store", n)
	}
	if open := backends(t, p); open == 0 || open > defaultPoolSize {
		t.Errorf("%d sessions are open; want 1 to %d", open, defaultPoolSize)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	for tries := 1; backends(t, p) != 0; tries++ { // the server takes a moment to notice
		if tries == 1000 {
			t.Fatalf("%d sessions are open after Close", backends(t, p))
		}
	}
}

// sessions counts the sessions of stores at the server.
func backends(t *testing.T, p *peer) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.SuperuserDSN("curfew"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'curfew'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testDeadlock has two transactions take two rows in opposite order.
func testDeadlock(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	ids := []access.GrantID{"gr_1", "gr_2"}
	err := s.Update(t.Context(), "make", func(tx store.Tx) error {
		if err := makeGrant(tx, ids[0]); err != nil {
			return err
		}
		g, err := tx.Grants().Get("acme", ids[0])
		if err != nil {
			return err
		}
		g.ID = ids[1]
		return errors.Join(tx.Grants().Insert(g), tx.Plans().Put("acme", ids[1], sealed([]byte("plan"))))
	})
	if err != nil {
		t.Fatal(err)
	}
	var both, done sync.WaitGroup
	both.Add(2)
	for i := range ids {
		done.Go(func() {
			first := true
			err := s.Update(context.Background(), "deadlock", func(tx store.Tx) error {
				if err := tx.Plans().Put("acme", ids[i], sealed(fmt.Append(nil, "by ", i))); err != nil {
					return err
				}
				if first {
					first = false
					both.Done()
					both.Wait()
				}
				return tx.Plans().Put("acme", ids[1-i], sealed(fmt.Append(nil, "by ", i)))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if s.Stats().Replays == 0 {
		t.Error("nobody was in the other's way")
	}
}
