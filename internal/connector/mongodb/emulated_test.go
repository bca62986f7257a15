package mongodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// emulated is the primary of a replica set of one member, EMULATED: no mongod can be had where these tests run. Users, their
// passwords, log-ins and documents are those of a real FerretDB behind it. What FerretDB lacks is emulated here, after the
// MongoDB Manual: roles and what they allow, customData, sessions and operations, the replica set. It is strict: a command, a
// field or a value that the Manual does not allow, or that is not emulated, is refused.
type emulated struct {
	*localpeer.FerretDB
	listener net.Listener
	set      bson.ObjectID
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[int64]*emulatedConn
	made  int64
	// changing is held while users change, in FerretDB and here.
	changing sync.Mutex
	users    map[userName]emulatedUser
	roles    map[Role][]privilege
	// standalone: it is no member of a replica set. unconfirmed: writes do not reach the majority.
	// deposed: most members follow another primary.
	standalone, unconfirmed, deposed atomic.Bool
}

// emulatedUser is what FerretDB does not know of a user.
type emulatedUser struct {
	// id is another one for a user of the same name that is made later.
	id     bson.ObjectID
	roles  []Role
	custom bson.D
}

// emulatedConn is one connection of a client.
type emulatedConn struct {
	server *emulated
	id     int64
	client net.Conn
	// backend is the connection's own to FerretDB; asking it is the connection's alone.
	backend net.Conn
	// gone is closed when the client is.
	gone chan struct{}

	// under server.mu
	asking, user *userName
	userID       bson.ObjectID
	op           *emulatedOp
}

// emulatedOp is a command that runs.
type emulatedOp struct {
	id      int64
	session bool
	killed  chan struct{}
}

// startEmulated starts the server; its root may do everything.
func startEmulated(t testing.TB) *emulated {
	t.Helper()
	ferret, err := localpeer.StartFerretDB(t.Context(), localpeer.FerretDBOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ferret.Stop() })
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &emulated{
		FerretDB: ferret, listener: l, set: bson.NewObjectID(), conns: map[int64]*emulatedConn{},
		users: map[userName]emulatedUser{{User: "root", DB: admin}: {id: bson.NewObjectID(), roles: []Role{{"root", admin}}}},
		roles: map[Role][]privilege{},
	}
	s.work.Go(s.accept)
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.client.Close()
		}
		s.mu.Unlock()
		s.work.Wait()
	})
	return s
}

// Addr hides FerretDB's own.
func (s *emulated) Addr() string { return s.listener.Addr().String() }

func (s *emulated) accept() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		backend, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", s.FerretDB.Addr())
		if err != nil {
			_ = client.Close()
			continue
		}
		s.mu.Lock()
		s.made++
		c := &emulatedConn{server: s, id: s.made, client: client, backend: backend, gone: make(chan struct{})}
		s.conns[c.id] = c
		s.mu.Unlock()
		s.work.Go(c.serve)
	}
}

// serve answers until the client is gone. A command that waits ends with its client.
func (c *emulatedConn) serve() {
	commands := make(chan message)
	c.server.work.Go(func() {
		defer close(commands)
		defer close(c.gone)
		for {
			m, err := readMessage(c.client)
			if err != nil {
				return
			}
			commands <- m
		}
	})
	for m := range commands {
		if err := c.handle(m); err != nil {
			_ = c.client.Close()
		}
	}
	_, _ = c.client.Close(), c.backend.Close()
	c.server.mu.Lock()
	delete(c.server.conns, c.id)
	c.server.mu.Unlock()
}

// refusal is the answer to a command that fails.
type refusal struct {
	code int
	name string
	msg  string
}

func (r refusal) Error() string { return r.msg }

func refuse(code int, name, format string, args ...any) error {
	return refusal{code, name, fmt.Sprintf(format, args...)}
}

func unemulated(format string, args ...any) error {
	return refuse(238, "NotImplemented", "EMULATED: "+format, args...)
}

// handle answers one command. Its error ends the connection.
func (c *emulatedConn) handle(m message) error {
	if m.opcode == opQuery || m.name() == "hello" || m.name() == "isMaster" || m.name() == "ismaster" {
		return answer(c.client, m, c.server.hello())
	}
	op := c.begin(m)
	d, err := c.answerTo(m, op)
	c.end()
	var r refusal
	switch {
	case errors.As(err, &r):
		d = bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: r.msg}, {Key: "code", Value: int32(r.code)}, {Key: "codeName", Value: r.name}}
	case err != nil:
		return err
	}
	return answer(c.client, m, d)
}

func (c *emulatedConn) begin(m message) *emulatedOp {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	c.op = &emulatedOp{id: s.made, session: m.field("lsid") != nil && m.field("comment") != "without a session", killed: make(chan struct{})}
	return c.op
}

func (c *emulatedConn) end() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.op = nil
}

// hello is what the primary says of itself.
func (s *emulated) hello() bson.D {
	d := bson.D{{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}}
	if !s.standalone.Load() {
		d = append(d, bson.E{Key: "setName", Value: "rs0"}, bson.E{Key: "setVersion", Value: int32(1)}, bson.E{Key: "secondary", Value: false},
			bson.E{Key: "hosts", Value: bson.A{s.Addr()}}, bson.E{Key: "me", Value: s.Addr()}, bson.E{Key: "primary", Value: s.Addr()})
	}
	return append(d, bson.E{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, bson.E{Key: "maxMessageSizeBytes", Value: int32(maxMessage)},
		bson.E{Key: "maxWriteBatchSize", Value: int32(100_000)}, bson.E{Key: "localTime", Value: time.Now()},
		bson.E{Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, bson.E{Key: "minWireVersion", Value: int32(0)},
		bson.E{Key: "maxWireVersion", Value: int32(21)}, bson.E{Key: "readOnly", Value: false}, bson.E{Key: "ok", Value: 1.0})
}

// command is how one command is emulated.
type command struct {
	// fields are those that it may have beside the general ones.
	fields []string
	// admin: it is for the database admin only.
	admin bool
	run   func(*emulatedConn, message, *emulatedOp) (bson.D, error)
}

// commands are all that are answered to who has logged in.
func commands() map[string]command {
	all := map[string]command{
		"createUser":       {fields: []string{"pwd", "customData", "roles", "digestPassword", "writeConcern", "authenticationRestrictions", "mechanisms"}, run: (*emulatedConn).createUser},
		"updateUser":       {fields: []string{"pwd", "customData", "roles", "digestPassword", "writeConcern", "authenticationRestrictions", "mechanisms"}, run: (*emulatedConn).updateUser},
		"dropUser":         {fields: []string{"writeConcern"}, run: (*emulatedConn).dropUser},
		"usersInfo":        {fields: []string{"showCredentials", "showCustomData", "showPrivileges", "showAuthenticationRestrictions", "filter"}, run: (*emulatedConn).usersInfo},
		"createRole":       {fields: []string{"privileges", "roles", "authenticationRestrictions", "writeConcern"}, run: (*emulatedConn).createRole},
		"rolesInfo":        {fields: []string{"showAuthenticationRestrictions", "showBuiltinRoles", "showPrivileges"}, run: (*emulatedConn).rolesInfo},
		"replSetGetConfig": {fields: []string{"commitmentStatus"}, admin: true, run: (*emulatedConn).replSetGetConfig},
		"killAllSessions":  {run: (*emulatedConn).killAllSessions},
		"killOp":           {fields: []string{"op"}, admin: true, run: (*emulatedConn).killOp},
		"endSessions":      {run: func(*emulatedConn, message, *emulatedOp) (bson.D, error) { return bson.D{{Key: "ok", Value: 1.0}}, nil }},
		"aggregate":        {fields: []string{"pipeline", "cursor", "readConcern"}, run: (*emulatedConn).aggregate},
		"find":             {fields: []string{"filter", "projection", "sort", "limit", "singleBatch", "readConcern"}, run: (*emulatedConn).find},
		"insert":           {fields: []string{"documents", "ordered", "writeConcern", "txnNumber"}, run: documents("insert")},
		"dropDatabase":     {fields: []string{"writeConcern"}, run: documents("dropDatabase")},
	}
	return all
}

// general are the fields that any command may have.
func general() []string {
	return []string{"$db", "lsid", "$clusterTime", "$readPreference", "maxTimeMS", "comment"}
}

func (c *emulatedConn) answerTo(m message, op *emulatedOp) (bson.D, error) {
	switch m.name() {
	case "saslStart", "saslContinue":
		return c.sasl(m)
	}
	if err := c.authenticated(); err != nil {
		return nil, err
	}
	cmd, known := commands()[m.name()]
	if !known {
		return nil, refuse(59, "CommandNotFound", "no such command: '%s'", m.name())
	}
	for i, e := range m.body[1:] {
		if slices.ContainsFunc(m.body[:i+1], func(before bson.E) bool { return before.Key == e.Key }) {
			return nil, refuse(40413, "Location40413", "BSON field '%s.%s' is a duplicate field", m.name(), e.Key)
		}
		if !slices.Contains(cmd.fields, e.Key) && !slices.Contains(general(), e.Key) {
			return nil, refuse(40415, "Location40415", "BSON field '%s.%s' is an unknown field.", m.name(), e.Key)
		}
	}
	if cmd.admin && m.db() != admin {
		return nil, refuse(13, "Unauthorized", "%s may only be run against the admin database.", m.name())
	}
	if err := checkTime(m); err != nil {
		return nil, err
	}
	d, err := cmd.run(c, m, op)
	if err == nil && c.server.unconfirmed.Load() && m.field("writeConcern") != nil {
		d = append(slices.Clone(d), bson.E{Key: "writeConcernError", Value: bson.D{
			{Key: "code", Value: int32(64)}, {Key: "codeName", Value: "WriteConcernTimeout"}, {Key: "errmsg", Value: "waiting for replication timed out"},
		}})
	}
	return d, err
}

// checkTime refuses commands that nothing bounds: every one of the driver's has a deadline.
func checkTime(m message) error {
	if v := m.field("maxTimeMS"); v != nil {
		if n, ok := v.(int64); !ok || n <= 0 || n > 1<<31-1 {
			return refuse(2, "BadValue", "maxTimeMS is %v", v)
		}
	}
	return nil
}

// forward has FerretDB answer the message as it is.
func (c *emulatedConn) forward(m message) (bson.D, error) {
	if _, err := c.backend.Write(m.raw); err != nil {
		return nil, err
	}
	return c.backendAnswer()
}

// backendAsk has FerretDB answer another command.
func (c *emulatedConn) backendAsk(d bson.D) (bson.D, error) {
	if err := ask(c.backend, 1, d); err != nil {
		return nil, err
	}
	return c.backendAnswer()
}

func (c *emulatedConn) backendAnswer() (bson.D, error) {
	m, err := readMessage(c.backend)
	if err != nil {
		return nil, err
	}
	if ok, _ := m.field("ok").(float64); ok != 1 {
		code, _ := m.field("code").(int32)
		name, _ := m.field("codeName").(string)
		msg, _ := m.field("errmsg").(string)
		return nil, refuse(int(code), name, "%s", msg)
	}
	return m.body, nil
}

// connections are those that are open, in order.
func (s *emulated) connections() []*emulatedConn {
	return slices.SortedFunc(maps.Values(s.conns), func(a, b *emulatedConn) int { return int(a.id - b.id) })
}
