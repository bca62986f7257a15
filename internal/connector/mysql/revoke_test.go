package mysql

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func (p *peer) hold(t testing.TB, db *sql.DB, statement string) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	return conn
}

// wantGone fails the test unless the grant reads back as gone, and root sees nothing of it.
func (p *peer) wantGone(t testing.TB, d *driver, g grant) {
	t.Helper()
	presence, err := d.Observe(t.Context(), g.order, g.plan)
	if err != nil || presence.State() != connector.Absent || presence.ReadBy == "" {
		t.Errorf("it reads back as %s (%+v, %v)", presence.State(), presence, err)
	}
	name := accountName(g.order.Grant)
	if n := p.rows(t, `SELECT (SELECT COUNT(*) FROM mysql.user WHERE User = ?) + (SELECT COUNT(*) FROM curfew.marks WHERE account = ?) +
		(SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?) + (SELECT COUNT(*) FROM mysql.roles_mapping WHERE User = ?)`,
		name, name, name, name)[0][0]; n != "0" {
		t.Errorf("root sees %s things of it", n)
	}
}

// TestALockOfTheUsersHindersNothing: anybody may take a lock of any name.
func TestALockOfTheUsersHindersNothing(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	name := accountName(g.order.Grant)
	p.hold(t, p.as(t, g, ""), `DO GET_LOCK('curfew.`+name+`', 0)`)
	removal, err := d.Revoke(t.Context(), g.order, g.plan)
	if err != nil || removal.SessionsEnded != 1 {
		t.Errorf("Revoke: %+v, %v", removal, err)
	}
	p.wantGone(t, d, g)

	// Somebody else's lock goes too; it is no session of the grant's.
	other := give(t, d, order("write"))
	g = give(t, d, order("read"))
	p.hold(t, p.as(t, other, ""), `DO GET_LOCK('curfew.`+accountName(g.order.Grant)+`', 0)`)
	if removal, err = d.Revoke(t.Context(), g.order, g.plan); err != nil || removal.SessionsEnded != 0 {
		t.Errorf("Revoke: %+v, %v", removal, err)
	}
	p.wantGone(t, d, g)
}

// TestAQueueForALockHindersNothing: when a session that holds a lock is ended, the next in the queue has it.
func TestAQueueForALockHindersNothing(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	db := p.as(t, g, "")
	for range 4 {
		conn := p.hold(t, db, `DO 1`)
		go func() {
			_, _ = conn.ExecContext(t.Context(), `DO GET_LOCK(?, 600), SLEEP(600)`, "curfew."+accountName(g.order.Grant))
		}()
	}
	for p.rows(t, `SELECT COUNT(*) FROM information_schema.processlist WHERE user = ? AND state = 'User lock'`, accountName(g.order.Grant))[0][0] != "3" {
		if t.Context().Err() != nil {
			t.Fatal("the sessions do not queue")
		}
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Errorf("Revoke: %v", err)
	}
	p.wantGone(t, d, g)
}

// TestSessionsInWork: whatever a session is doing, and however it tries to come back, it ends.
func TestSessionsInWork(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("write"))
	db := p.as(t, g, "orders")
	writing := p.hold(t, db, `START TRANSACTION`)
	if _, err := writing.ExecContext(t.Context(), `UPDATE orders SET note = 'locked'`); err != nil {
		t.Fatal(err)
	}
	asleep, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var comeBack sync.WaitGroup
	for range 4 {
		comeBack.Go(func() {
			for {
				if _, err := db.ExecContext(t.Context(), `DO SLEEP(600)`); serverNumber(err) == errAccessDenied {
					return
				}
			}
		})
	}
	done := make(chan error, 1)
	go func() {
		_, err := asleep.ExecContext(t.Context(), `DO SLEEP(600)`)
		done <- err
	}()
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	p.wantGone(t, d, g)
	if <-done == nil {
		t.Error("a session slept on")
	}
	comeBack.Wait()
	p.exec(t, `UPDATE orders.orders SET note = 'nobody locks it'`)
}

// TestDroppedByAnother: the account is gone, and a session of it is not.
func TestDroppedByAnother(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	p.hold(t, p.as(t, g, "orders"), `DO 1`)
	p.exec(t, `DROP USER `+accountName(g.order.Grant))
	if presence, err := d.Observe(t.Context(), g.order, g.plan); err != nil || presence.State() != connector.Present || presence.Sessions != 1 {
		t.Errorf("with a session it reads as %+v, %v", presence, err)
	}
	if removal, err := d.Revoke(t.Context(), g.order, g.plan); err != nil || removal.SessionsEnded != 1 {
		t.Errorf("Revoke: %+v, %v", removal, err)
	}
	p.wantGone(t, d, g)
}

// TestMarkStaysWithSessions: who dies half-way through a removal leaves something that List finds.
func TestMarkStaysWithSessions(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	p.hold(t, p.as(t, g, "orders"), `DO 1`)
	v, err := decodePlan(g.plan)
	if err != nil {
		t.Fatal(err)
	}
	if met := p.rows(t, callRevoke, v.System, v.Account, string(v.Mark))[0][0]; met == "" {
		t.Error("the first call meets no session")
	}
	listed := 0
	for found, err := range d.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if found.Mark == g.order.Mark {
			listed++
		}
	}
	if listed != 1 {
		t.Errorf("its mark is listed %d times", listed)
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Error(err)
	}
	p.wantGone(t, d, g)
}

// TestAnothersMark: an account that bears another mark is nobody's to change.
func TestAnothersMark(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, `CREATE USER `+accountName(o.Grant)+` IDENTIFIED BY 'theirs'`)
	p.exec(t, `INSERT INTO curfew.marks VALUES (?, 'theirs')`, accountName(o.Grant))
	before := p.snapshot(t)
	_, err = d.Grant(t.Context(), o, plan)
	if access.KindOf(err) != access.KindConflict {
		t.Errorf("Grant: %v", err)
	}
	if _, err = d.Revoke(t.Context(), o, plan); access.KindOf(err) != access.KindConflict {
		t.Errorf("Revoke: %v", err)
	}
	if presence, err := d.Observe(t.Context(), o, plan); err != nil || presence.State() != connector.Unknown {
		t.Errorf("it reads as %+v, %v", presence, err)
	}
	if err := d.Extend(t.Context(), o, plan); access.KindOf(err) != access.KindNotFound {
		t.Errorf("Extend: %v", err)
	}
	if after := p.snapshot(t); after != before {
		t.Errorf("something has changed:\n%s", after)
	}
}

// TestAnotherServer: at the address of a server there may be another one.
func TestAnotherServer(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	own := p.rows(t, `SELECT id FROM curfew.identity`)[0][0]
	p.exec(t, `UPDATE curfew.identity SET id = UUID()`)
	before := p.snapshot(t)
	_, grantErr := d.Grant(t.Context(), g.order, g.plan)
	_, revokeErr := d.Revoke(t.Context(), g.order, g.plan)
	_, tidyErr := d.Tidy(t.Context(), g.order, g.plan)
	for name, err := range map[string]error{"Grant": grantErr, "Revoke": revokeErr, "Tidy": tidyErr} {
		if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "another server") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if presence, err := d.Observe(t.Context(), g.order, g.plan); err != nil || presence.State() != connector.Unknown || presence.ReadBy != "" {
		t.Errorf("it reads as %+v, %v", presence, err)
	}
	if after := p.snapshot(t); after != before {
		t.Errorf("something has changed:\n%s", after)
	}
	p.exec(t, `UPDATE curfew.identity SET id = ?`, own)
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Error(err)
	}
	p.wantGone(t, d, g)
}

// TestBlind: a reader that does not see everybody's sessions, or not the account that must be there, knows nothing.
func TestBlind(t *testing.T) {
	p := start(t)
	ended := give(t, p.open(t), order("read"))
	if _, err := p.open(t).Revoke(t.Context(), ended.order, ended.plan); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ take, back string }{
		"no sessions":  {`REVOKE PROCESS ON *.* FROM curfew_observer`, `GRANT PROCESS ON *.* TO curfew_observer`},
		"no accounts":  {`REVOKE SELECT (User, Host) ON mysql.user FROM curfew_observer`, `GRANT SELECT (User, Host) ON mysql.user TO curfew_observer`},
		"no marks":     {`REVOKE SELECT ON curfew.* FROM curfew_observer`, `GRANT SELECT ON curfew.* TO curfew_observer`},
		"read-only":    {`SET GLOBAL read_only = 1`, `SET GLOBAL read_only = 0`},
		"no such user": {`RENAME USER curfew TO somebody_else`, `RENAME USER somebody_else TO curfew`},
	} {
		t.Run(name, func(t *testing.T) {
			d := p.open(t)
			p.exec(t, c.take)
			presence, err := d.Observe(t.Context(), ended.order, ended.plan)
			if err == nil && presence.State() != connector.Unknown {
				t.Errorf("it reads as %+v", presence)
			}
			if _, err := d.Check(t.Context()); access.KindOf(err) != access.KindMisconfigured {
				t.Errorf("Check: %v", err)
			}
			p.exec(t, c.back)
			p.wantGone(t, p.open(t), ended)
		})
	}
}

// TestBatchLeavesTimeForOthers holds rows of some accounts of a batch, so that they cannot be dropped. The others are not kept
// waiting until the batch has no time left.
func TestBatchLeavesTimeForOthers(t *testing.T) {
	p := start(t)
	d := p.open(t)
	var tasks []connector.Task
	for range 2 * batchWorkers {
		g := give(t, d, order("read"))
		tasks = append(tasks, connector.Task{Order: g.order, Plan: g.plan})
	}
	holder := p.hold(t, p.root, `START TRANSACTION`)
	t.Cleanup(func() {
		if _, err := holder.ExecContext(context.WithoutCancel(t.Context()), `ROLLBACK`); err != nil {
			t.Error(err)
		}
	})
	for _, held := range tasks[:batchWorkers] {
		// In the column's own character set: by its key this locks one row, and by a scan all of them.
		const lock = `SELECT mark FROM curfew.marks WHERE account = CONVERT(? USING ascii) COLLATE ascii_bin FOR UPDATE`
		if _, err := holder.ExecContext(t.Context(), lock, accountName(held.Order.Grant)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), connector.DefaultTimeout)
	defer cancel()
	for i, done := range d.RevokeBatch(ctx, tasks) {
		if (done.Err != nil) != (i < batchWorkers) {
			t.Errorf("Revoke of task %d: %v", i, done.Err)
		}
	}
}

// TestSessionThatEndsByItself: nothing fails because a session is gone that was about to be ended.
func TestSessionThatEndsByItself(t *testing.T) {
	p := start(t)
	p.exec(t, `CALL curfew.end_session(4294967295)`)
}
