package mongodb

import (
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func (c *emulatedConn) replSetGetConfig(message, *emulatedOp) (bson.D, error) {
	if err := c.may("replSetGetConfig", cluster()); err != nil {
		return nil, err
	}
	if c.server.standalone.Load() {
		return nil, refuse(76, "NoReplicationEnabled", "not running with --replSet")
	}
	return bson.D{{Key: "config", Value: bson.D{
		{Key: "_id", Value: "rs0"}, {Key: "version", Value: int32(1)},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: int32(0)}, {Key: "host", Value: c.server.Addr()}}}},
		{Key: "settings", Value: bson.D{{Key: "replicaSetId", Value: c.server.set}}},
	}}, {Key: "ok", Value: 1.0}}, nil
}

// killAllSessions ends what runs in the sessions of the named users. Connections stay.
func (c *emulatedConn) killAllSessions(m message, _ *emulatedOp) (bson.D, error) {
	if err := c.may("killAnySession", cluster()); err != nil {
		return nil, err
	}
	var given struct {
		Names []userName `bson:"killAllSessions"`
	}
	if err := reread(m.body[:1], &given); err != nil {
		return nil, refuse(14, "TypeMismatch", "%v", err)
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.conns {
		// As the Manual says: of nobody in particular is of everybody.
		if other.op != nil && other.op.session && other.user != nil && other != c && (len(given.Names) == 0 || slices.Contains(given.Names, *other.user)) {
			other.op.kill()
		}
	}
	return ok(), nil
}

// kill ends an operation; s.mu is held.
func (o *emulatedOp) kill() {
	select {
	case <-o.killed:
	default:
		close(o.killed)
	}
}

func (c *emulatedConn) killOp(m message, _ *emulatedOp) (bson.D, error) {
	if err := c.may("killop", cluster()); err != nil {
		return nil, err
	}
	id, isNumber := m.field("op").(int64)
	if !isNumber || id <= 0 {
		return nil, refuse(14, "TypeMismatch", "killOp of %v", m.field("op"))
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.conns {
		if other.op != nil && other.op.id == id {
			other.op.kill()
		}
	}
	return bson.D{{Key: "info", Value: "attempting to kill op"}, {Key: "ok", Value: 1.0}}, nil
}

// aggregate is $currentOp, as the driver asks for it, or what is for FerretDB.
func (c *emulatedConn) aggregate(m message, op *emulatedOp) (bson.D, error) {
	if of, isName := m.body[0].Value.(string); isName {
		if err := c.may("find", collection(m.db(), of)); err != nil {
			return nil, err
		}
		return c.forward(m)
	}
	pipeline, _ := m.field("pipeline").(bson.A)
	if m.db() != admin || m.body[0].Value != int32(1) || len(pipeline) != 3 {
		return nil, unemulated("the pipeline %v", pipeline)
	}
	first, _ := pipeline[0].(bson.D)
	if fmt.Sprint(first) != fmt.Sprint(bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleConnections", Value: true}}}}) {
		return nil, unemulated("the stage %v", first)
	}
	if err := c.may("inprog", cluster()); err != nil {
		return nil, err
	}
	whom, err := readMatch(pipeline[1])
	if err != nil {
		return nil, err
	}
	if third, _ := pipeline[2].(bson.D); len(third) != 1 || third[0].Key != "$project" {
		return nil, unemulated("the stage %v", pipeline[2])
	}
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "admin.$cmd.aggregate"}, {Key: "firstBatch", Value: c.server.operations(whom)},
	}}, {Key: "ok", Value: 1.0}}, nil
}

// readMatch reads for which users a $match asks.
func readMatch(stage any) ([]userName, error) {
	var given struct {
		Match struct {
			Or []struct {
				Users struct {
					Name userName `bson:"$elemMatch"`
				} `bson:"effectiveUsers"`
			} `bson:"$or"`
		} `bson:"$match"`
	}
	d, _ := stage.(bson.D)
	if err := reread(d, &given); err != nil || len(given.Match.Or) == 0 {
		return nil, unemulated("the stage %v", stage)
	}
	var names []userName
	for _, or := range given.Match.Or {
		names = append(names, or.Users.Name)
	}
	return names, nil
}

// operations are the connections of the named users. Who is gone stays on a connection until something is asked on it.
func (s *emulated) operations(whom []userName) bson.A {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := bson.A{}
	for _, c := range s.connections() {
		if c.user == nil || !slices.Contains(whom, *c.user) {
			continue
		}
		d := bson.D{{Key: "active", Value: c.op != nil}, {Key: "effectiveUsers", Value: bson.A{bson.D{{Key: "user", Value: c.user.User}, {Key: "db", Value: c.user.DB}}}}}
		if c.op != nil {
			d = append(d, bson.E{Key: "opid", Value: int32(c.op.id)})
		}
		found = append(found, d)
	}
	return found
}

// find reads the one document that tells which features there are, waits for ever where a script of the user's would, or is
// for FerretDB.
func (c *emulatedConn) find(m message, op *emulatedOp) (bson.D, error) {
	of, _ := m.body[0].Value.(string)
	if err := c.may("find", collection(m.db(), of)); err != nil {
		return nil, err
	}
	filter, _ := m.field("filter").(bson.D)
	concern, _ := m.field("readConcern").(bson.D)
	switch {
	case m.db() == admin && of == "system.version":
		if c.server.standalone.Load() {
			return nil, refuse(123, "NotAReplicaSet", "node needs to be a replica set member to use read concern")
		}
		if c.server.deposed.Load() {
			return nil, refuse(50, "MaxTimeMSExpired", "operation exceeded time limit")
		}
		if fmt.Sprint(concern) != fmt.Sprint(bson.D{{Key: "level", Value: "linearizable"}}) ||
			fmt.Sprint(filter) != fmt.Sprint(bson.D{{Key: "_id", Value: "featureCompatibilityVersion"}}) {
			return nil, unemulated("another read of system.version")
		}
		return bson.D{{Key: "cursor", Value: bson.D{
			{Key: "id", Value: int64(0)}, {Key: "ns", Value: "admin.system.version"},
			{Key: "firstBatch", Value: bson.A{bson.D{{Key: "_id", Value: "featureCompatibilityVersion"}, {Key: "version", Value: "8.0"}}}},
		}}, {Key: "ok", Value: 1.0}}, nil
	case concern != nil:
		return nil, unemulated("a read concern")
	case lookup(filter, "$where") != nil:
		select {
		case <-op.killed:
			return nil, refuse(11601, "Interrupted", "operation was interrupted")
		case <-c.gone:
			return nil, fmt.Errorf("the client is gone")
		}
	}
	return c.forward(m)
}

// documents is a command about documents, which FerretDB carries out.
func documents(action string) func(*emulatedConn, message, *emulatedOp) (bson.D, error) {
	return func(c *emulatedConn, m message, _ *emulatedOp) (bson.D, error) {
		of, _ := m.body[0].Value.(string)
		if err := c.may(action, collection(m.db(), of)); err != nil {
			return nil, err
		}
		return c.forward(m)
	}
}
