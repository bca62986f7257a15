package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Postgres is the target that every demo has.
const Postgres = "postgres"

// readOrders is what the demo's engineers have for the asking.
const readOrders = "orders-db/orders:read"

// psql is the visitor of PostgreSQL, by its own program.
type psql struct {
	*tour
	program string
}

func (*psql) entitlement() string { return readOrders }

func (*psql) where() string { return "a PostgreSQL" }

func (t *psql) refused(ctx context.Context) error {
	t.show("$ psql --username=engineer orders")
	out, err := t.run(ctx, "engineer", "no-password", "TABLE orders")
	t.show(out)
	return wantRefusal(out, err)
}

// wantRefusal checks that psql was refused by the server, and did not fail for some other reason.
func wantRefusal(out string, err error) error {
	if err == nil {
		return errors.New("the log-in was accepted")
	}
	if !strings.Contains(out, "authentication failed") {
		return fmt.Errorf("psql failed in another way: %w", err)
	}
	return nil
}

func (t *psql) used(ctx context.Context) error {
	const query = "SELECT * FROM orders WHERE id = 17"
	t.show("$ psql -c '" + query + "'")
	out, err := t.run(ctx, t.credential.Username, t.credential.Password, query)
	t.show(out)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "Edsger") {
		return errors.New("the row was not there")
	}
	return nil
}

// cutOff keeps a session busy until the server ends it, and checks that this was at the deadline.
func (t *psql) cutOff(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, t.grant.Deadline.Add(30*time.Second))
	defer cancel()
	t.show("$ psql        # stays open, and asks every three seconds")
	err := t.session(ctx, t.credential, "SELECT to_char(clock_timestamp(), 'HH24:MI:SS') || '  still connected'", 3*time.Second)
	late := time.Since(t.grant.Deadline)
	if err == nil {
		return errors.New("the session ended by itself")
	}
	t.show(fmt.Sprintf("psql noticed with its next statement, %d ms after the deadline", late.Milliseconds()))
	if late < 0 {
		return fmt.Errorf("that was before the deadline: %w", err)
	}
	return ctx.Err()
}

func (t *psql) refusedAgain(ctx context.Context) error {
	t.show("$ psql --username=" + t.credential.Username + " orders")
	out, err := t.run(ctx, t.credential.Username, t.credential.Password, "TABLE orders")
	t.show(out)
	return wantRefusal(out, err)
}

// unseen looks at the database past Curfew.
func (t *psql) unseen(ctx context.Context) error {
	t.show("$ psql --username=postgres    # the database's own superuser looks for it")
	query := "SELECT count(*) AS log_ins_left FROM pg_roles WHERE rolcanlogin AND rolname = '" + t.credential.Username + "'"
	out, err := t.runDSN(ctx, t.postgres.SuperuserDSN("orders"), query)
	t.show(out)
	if err != nil {
		return err
	}
	if !strings.Contains(out, " 0\n") {
		return errors.New("the superuser still sees it")
	}
	return nil
}
