package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// mariaVisitor is the visitor of MariaDB, by its own client.
type mariaVisitor struct {
	*tour
	mariaDB
}

func (*mariaVisitor) entitlement() string { return readMariaDB }

func (*mariaVisitor) where() string { return "a MariaDB" }

// ask runs one statement and shows all that the client said.
func (v *mariaVisitor) ask(ctx context.Context, user, password, statement string) (string, error) {
	out, err := v.Client(ctx, user, password, "--table", "--execute="+statement).CombinedOutput()
	v.show(string(out))
	return string(out), err
}

// wantDenied logs in, which the server must refuse.
func (v *mariaVisitor) wantDenied(ctx context.Context, user, password string) error {
	v.show("$ mariadb --user=" + user + " orders")
	out, err := v.ask(ctx, user, password, "TABLE orders.orders")
	switch {
	case err == nil:
		return errors.New("the log-in was accepted")
	case !strings.Contains(out, "Access denied"):
		return fmt.Errorf("the client failed in another way: %w", err)
	}
	return nil
}

func (v *mariaVisitor) refused(ctx context.Context) error {
	return v.wantDenied(ctx, "engineer", "no-password")
}

func (v *mariaVisitor) used(ctx context.Context) error {
	const query = "SELECT * FROM orders.orders WHERE id = 17"
	v.show("$ mariadb -e '" + query + "'")
	out, err := v.ask(ctx, v.credential.Username, v.credential.Password, query)
	if err == nil && !strings.Contains(out, "Edsger") {
		err = errors.New("the row was not there")
	}
	return err
}

// cutOff keeps a session busy until the server ends it, and checks that this was not before the deadline.
func (v *mariaVisitor) cutOff(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, v.grant.Deadline.Add(30*time.Second))
	defer cancel()
	v.show("$ mariadb        # stays open, and asks every three seconds")
	client := v.Client(ctx, v.credential.Username, v.credential.Password, "--skip-column-names", "--unbuffered", "--skip-reconnect")
	err := v.keepAsking(ctx, client, "SELECT CONCAT(CURTIME(), '  still connected')", 3*time.Second)
	late := time.Since(v.grant.Deadline)
	if err == nil {
		return errors.New("the session ended by itself")
	}
	v.show(fmt.Sprintf("the client noticed with its next statement, %d ms after the deadline", late.Milliseconds()))
	if late < 0 {
		return fmt.Errorf("that was before the deadline: %w", err)
	}
	return ctx.Err()
}

func (v *mariaVisitor) refusedAgain(ctx context.Context) error {
	return v.wantDenied(ctx, v.credential.Username, v.credential.Password)
}

// unseen looks at the server past Curfew.
func (v *mariaVisitor) unseen(ctx context.Context) error {
	v.show("$ mariadb --user=root    # the server's own root looks for it")
	out, err := v.ask(ctx, "root", v.RootConfig("").Passwd, "SELECT COUNT(*) AS accounts_left FROM mysql.user WHERE User LIKE 'c\\_%'")
	if err == nil && !strings.Contains(out, " 0 |") {
		err = errors.New("root still sees it")
	}
	return err
}
