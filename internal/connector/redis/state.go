package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"

	protocol "github.com/redis/go-redis/v9"
)

// errUnreadable is the error of an answer that no Redis 7 gives.
var errUnreadable = errors.New("the server's answer is not one of Redis 7")

// users is what one read says of some users, and of the account by which the server is known.
type users struct {
	of map[string]user
	// target is the identity of the server; empty when Curfew's account is not seen or bears none.
	target string
}

// getUser asks for a user; its reply is read by readUser.
func getUser(ctx context.Context, p protocol.Pipeliner, name string) *protocol.Cmd {
	return p.Do(ctx, "ACL", "GETUSER", name)
}

func readUser(reply *protocol.Cmd) (user, error) {
	v, err := reply.Result()
	if errors.Is(err, protocol.Nil) {
		return user{}, nil
	}
	if err != nil {
		return user{}, err
	}
	u, ok := userOf(v)
	if !ok {
		return user{}, errUnreadable
	}
	return u, nil
}

// pipeline sends what ask has put together. That a user is not there is an answer, and hides the errors of later answers:
// each is asked for its own.
func pipeline(ctx context.Context, send func(context.Context, func(protocol.Pipeliner) error) ([]protocol.Cmder, error), ask func(protocol.Pipeliner)) error {
	_, err := send(ctx, func(p protocol.Pipeliner) error {
		ask(p)
		return nil
	})
	if errors.Is(err, protocol.Nil) {
		return nil
	}
	return err
}

// asked are users that were asked for.
type asked struct {
	names   []string
	replies []*protocol.Cmd
	account *protocol.Cmd
}

// askUsers asks for users and for Curfew's own account.
func (d *driver) askUsers(ctx context.Context, p protocol.Pipeliner, names ...string) asked {
	a := asked{names: names}
	for _, name := range names {
		a.replies = append(a.replies, getUser(ctx, p, name))
	}
	a.account = getUser(ctx, p, d.config.Username)
	return a
}

func (a asked) read() (users, error) {
	all := users{of: map[string]user{}}
	for i, name := range a.names {
		u, err := readUser(a.replies[i])
		if err != nil {
			return users{}, err
		}
		all.of[name] = u
	}
	account, err := readUser(a.account)
	all.target = account.identity()
	return all, err
}

// readUsers reads users and Curfew's own account in one step.
func (d *driver) readUsers(ctx context.Context, c *protocol.Client, names ...string) (users, error) {
	var a asked
	if err := pipeline(ctx, c.TxPipelined, func(p protocol.Pipeliner) { a = d.askUsers(ctx, p, names...) }); err != nil {
		return users{}, err
	}
	return a.read()
}

// answers asks for nothing but an answer.
func (d *driver) answers(ctx context.Context) func(*protocol.Client) error {
	return func(c *protocol.Client) error {
		_, err := d.readUsers(ctx, c)
		return err
	}
}

// sessions are the connections of users, and whether our own is among them, as it must be.
type sessions struct {
	of      map[string]int
	seesOwn bool
}

// sessionsOf reads the answer of CLIENT LIST: a line for each connection, with NAME=VALUE in it. No value has a space.
func sessionsOf(list string, own int64, reader string) sessions {
	s := sessions{of: map[string]int{}}
	for line := range strings.Lines(list) {
		var id, who string
		for field := range strings.FieldsSeq(line) {
			switch name, value, _ := strings.Cut(field, "="); name {
			case "id":
				id = value
			case "user":
				who = value
			}
		}
		s.of[who]++
		if id == strconv.FormatInt(own, 10) && who == reader {
			s.seesOwn = true
		}
	}
	return s
}
