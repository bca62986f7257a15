package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// setPatience lets a session stand in the queue for a locked role longer than our statements wait otherwise: for as long
	// as it takes to clear away what is before it.
	setPatience = `SET lock_timeout = '5s'`
	// clearPause is how long to wait before looking again for what is in the way.
	clearPause = 10 * time.Millisecond
)

// holders is what is in the way of a session of ours.
type holders struct {
	// Sessions are those that we may not end.
	Sessions []struct {
		PID  int    `json:"pid"`
		Role string `json:"role"`
	} `json:"sessions"`
	Prepared []prepared `json:"prepared"`
}

// closeHeld closes a role that is locked. A user can lock its role by changing its password in a transaction that stays open,
// or that was prepared; and through a function that runs with its rights (SECURITY DEFINER) anybody can do so. One
// session of ours therefore waits in the queue for the lock, which nobody can pass, while others clear away what it waits for.
func (d *driver) closeHeld(ctx context.Context, v plan, removal *connector.Removal) (closed, error) {
	var c closed
	err := connect(ctx, d.waiting, d.poolOf(v.Account).Config().ConnConfig.Copy(), func(conn *pgx.Conn) error {
		if err := makeFunctions(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, setPatience); err != nil {
			return err
		}
		waiter := int(conn.PgConn().PID())
		waiting, stop := context.WithCancel(ctx)
		defer stop()
		var closeErr error
		done := make(chan struct{})
		go func() {
			defer close(done)
			closeErr = connector.Safely(func() error { return callOnce(waiting, conn, callClose, v.order(), &c) })
		}()
		err := d.clearWay(ctx, v, waiter, done, removal)
		if err != nil {
			stop()
		}
		<-done
		if err != nil {
			return err
		}
		return closeErr
	})
	return c, err
}

// clearWay ends the role's sessions and whatever else the waiter waits for, until it is done.
func (d *driver) clearWay(ctx context.Context, v plan, waiter int, done <-chan struct{}, removal *connector.Removal) error {
	argument := struct {
		Waiter int `json:"waiter"`
	}{waiter}
	for {
		var left remains
		if err := call(ctx, d.poolOf(v.Account), callEnd, v.order(), &left); err != nil {
			return err
		}
		removal.SessionsEnded += left.SessionsEnded
		var h holders
		if err := call(ctx, d.pool, callHolders, argument, &h); err != nil {
			return err
		}
		if err := d.clearHolders(ctx, v, h); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(clearPause):
		}
	}
}

// clearHolders rolls back the prepared transactions that hold a lock which we need, whosever they are. What is out of our
// hands is named.
func (d *driver) clearHolders(ctx context.Context, v plan, h holders) error {
	for _, t := range h.Prepared {
		err := d.rollBackAsMember(ctx, t)
		if errors.Is(err, errBeyond) {
			return access.Errorf(access.KindMisconfigured,
				"A lock keeps the role %q of the connector %s from being closed. It belongs to the transaction %q that %q prepared in the database %q, and Curfew may not end that. An operator must, there and as a superuser: ROLLBACK PREPARED.",
				v.Role, d.name, t.GID, t.Owner, t.Database)
		}
		if err != nil {
			return err
		}
	}
	if len(h.Sessions) > 0 {
		s := h.Sessions[0]
		return access.Errorf(access.KindMisconfigured,
			"A lock keeps the role %q of the connector %s from being closed. It belongs to the session %d of %q, and Curfew may not end that. An operator must, as a superuser: SELECT pg_terminate_backend(%d).",
			v.Role, d.name, s.PID, s.Role, s.PID)
	}
	return nil
}
