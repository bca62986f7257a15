package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// cacheVisitor is the visitor of Redis, by its own client.
type cacheVisitor struct {
	*tour
	redis
}

func (*cacheVisitor) entitlement() string { return readCache }

func (*cacheVisitor) where() string { return "a Redis" }

// ask runs one command and shows all that the client said.
func (v *cacheVisitor) ask(ctx context.Context, user, password string, command ...string) (string, error) {
	out, err := v.Client(ctx, user, password, append([]string{"-e"}, command...)...).CombinedOutput()
	v.show(string(out))
	return string(out), err
}

// wantDenied logs in, which the server must refuse.
func (v *cacheVisitor) wantDenied(ctx context.Context, user, password string) error {
	v.show("$ redis-cli --user " + user + " get " + redisOrder)
	out, err := v.ask(ctx, user, password, "get", redisOrder)
	switch {
	case err == nil:
		return errors.New("the log-in was accepted")
	case !strings.Contains(out, "WRONGPASS"):
		return fmt.Errorf("the client failed in another way: %w", err)
	}
	return nil
}

func (v *cacheVisitor) refused(ctx context.Context) error {
	return v.wantDenied(ctx, "engineer", "no-password")
}

func (v *cacheVisitor) used(ctx context.Context) error {
	v.show("$ redis-cli get " + redisOrder)
	out, err := v.ask(ctx, v.credential.Username, v.credential.Password, "get", redisOrder)
	if err == nil && !strings.Contains(out, "Edsger") {
		err = errors.New("the order was not there")
	}
	return err
}

// cutOff keeps a connection busy until the server ends it, and checks that this was not before the deadline.
func (v *cacheVisitor) cutOff(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, v.grant.Deadline.Add(30*time.Second))
	defer cancel()
	v.show("$ redis-cli -r -1 -i 3 get " + redisOrder + "        # stays open, and asks every three seconds")
	err := v.watch(v.Client(ctx, v.credential.Username, v.credential.Password, "-e", "-r", "-1", "-i", "3", "get", redisOrder))
	late := time.Since(v.grant.Deadline)
	if err == nil {
		return errors.New("the connection ended by itself")
	}
	v.show(fmt.Sprintf("the client noticed with its next command, %d ms after the deadline", late.Milliseconds()))
	if late < 0 {
		return fmt.Errorf("that was before the deadline: %w", err)
	}
	return ctx.Err()
}

func (v *cacheVisitor) refusedAgain(ctx context.Context) error {
	return v.wantDenied(ctx, v.credential.Username, v.credential.Password)
}

// unseen looks at the server past Curfew.
func (v *cacheVisitor) unseen(ctx context.Context) error {
	v.show("$ redis-cli acl users    # the server's own administrator looks for it")
	admin, err := v.Admin()
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	users, err := admin.Do(ctx, "ACL", "USERS").StringSlice()
	v.show("users: " + strings.Join(users, ", "))
	if err == nil && strings.Contains(strings.Join(users, " "), v.credential.Username) {
		err = errors.New("the administrator still sees it")
	}
	return err
}
