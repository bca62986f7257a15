package mongodb

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ok is the answer of a command that has nothing to say.
func ok() bson.D { return bson.D{{Key: "ok", Value: 1.0}} }

// sasl has FerretDB decide, and remembers who it was.
func (c *emulatedConn) sasl(m message) (bson.D, error) {
	if m.name() == "saslStart" {
		payload, _ := m.field("payload").(bson.Binary)
		name, _, _ := bytes.Cut(bytes.TrimPrefix(payload.Data, []byte("n,,n=")), []byte(","))
		c.server.mu.Lock()
		c.asking, c.user = &userName{User: string(name), DB: m.db()}, nil
		c.server.mu.Unlock()
	}
	d, err := c.forward(m)
	if err != nil {
		return nil, err
	}
	if done, _ := lookup(d, "done").(bool); done {
		s := c.server
		s.mu.Lock()
		defer s.mu.Unlock()
		u, there := s.users[*c.asking]
		if !there {
			return nil, refuse(18, "AuthenticationFailed", "Authentication failed.")
		}
		c.user, c.userID = c.asking, u.id
	}
	return d, nil
}

// authenticated fails for a connection that nobody has logged in on, or somebody who is not there any more.
func (c *emulatedConn) authenticated() error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.user != nil && s.users[*c.user].id != c.userID {
		c.user = nil
	}
	if c.user == nil {
		return refuse(13, "Unauthorized", "Command requires authentication")
	}
	return nil
}

// readUser reads what createUser and updateUser say of a user.
func (c *emulatedConn) readUser(m message) (u emulatedUser, password string, err error) {
	bad := func(what string) (emulatedUser, string, error) {
		return u, "", refuse(2, "BadValue", "%s: %s is not what the Manual says", m.name(), what)
	}
	name, _ := m.body[0].Value.(string)
	if name == "" || m.db() == "" || m.db() == "local" {
		return bad("the name")
	}
	if password, _ = m.field("pwd").(string); password == "" {
		return bad("pwd")
	}
	if v, given := m.field("digestPassword").(bool); given && !v {
		return bad("digestPassword: Use of SCRAM-SHA-256 requires undigested passwords")
	}
	mechanisms, _ := m.field("mechanisms").(bson.A)
	if len(mechanisms) != 1 || mechanisms[0] != mechanism {
		return bad("mechanisms, of which only SCRAM-SHA-256 is emulated,")
	}
	if v := m.field("customData"); v != nil {
		if u.custom, _ = v.(bson.D); u.custom == nil {
			return bad("customData")
		}
	}
	if v := m.field("authenticationRestrictions"); v != nil {
		return u, "", unemulated("authenticationRestrictions")
	}
	if err := checkConcern(m); err != nil {
		return u, "", err
	}
	u.id = bson.NewObjectID()
	u.roles, err = c.server.readRoles(m)
	return u, password, err
}

// checkConcern refuses a write concern that is not what the Manual says.
func checkConcern(m message) error {
	v := m.field("writeConcern")
	if v == nil {
		return nil
	}
	concern, _ := v.(bson.D)
	for _, e := range concern {
		switch e.Key {
		case "w":
			if e.Value != "majority" {
				return unemulated("the write concern %v", e.Value)
			}
		case "wtimeout":
			if n, _ := e.Value.(int64); n <= 0 {
				return refuse(9, "FailedToParse", "wtimeout is %v", e.Value)
			}
		default:
			return refuse(9, "FailedToParse", "unrecognized write concern field: %s", e.Key)
		}
	}
	if len(concern) == 0 {
		return refuse(9, "FailedToParse", "a write concern of nothing")
	}
	return nil
}

// readRoles reads the roles that a user is given, which must be there.
func (s *emulated) readRoles(m message) (roles []Role, err error) {
	list, isList := m.field("roles").(bson.A)
	if !isList {
		return nil, refuse(40414, "Location40414", "BSON field '%s.roles' is missing but a required field", m.name())
	}
	for _, v := range list {
		r, ok := readRole(v, m.db())
		if !ok {
			return nil, refuse(2, "BadValue", "%v is no role", v)
		}
		if _, there := s.privilegesOf(r); !there {
			return nil, refuse(31, "RoleNotFound", "Could not find role: %s", r)
		}
		roles = append(roles, r)
	}
	return roles, nil
}

func readRole(v any, db string) (Role, bool) {
	switch v := v.(type) {
	case string:
		return Role{v, db}, true
	case bson.D:
		name, ok1 := lookup(v, "role").(string)
		of, ok2 := lookup(v, "db").(string)
		return Role{name, of}, ok1 && ok2 && len(v) == 2
	}
	return Role{}, false
}

func (c *emulatedConn) createUser(m message, _ *emulatedOp) (bson.D, error) {
	if err := c.may("createUser", database(m.db())); err != nil {
		return nil, err
	}
	u, password, err := c.readUser(m)
	if err != nil {
		return nil, err
	}
	for _, r := range u.roles {
		if err := c.may("grantRole", database(r.DB)); err != nil {
			return nil, err
		}
	}
	return c.changeUser(m, func() (bson.D, error) {
		return c.backendAsk(bson.D{
			{Key: "createUser", Value: m.body[0].Value}, {Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{}},
			{Key: "mechanisms", Value: bson.A{mechanism}}, {Key: "$db", Value: m.db()},
		})
	}, func(name userName) { c.server.users[name] = u })
}

// updateUser changes a password; more of it is not emulated.
func (c *emulatedConn) updateUser(m message, _ *emulatedOp) (bson.D, error) {
	if m.field("roles") != nil || m.field("customData") != nil {
		return nil, unemulated("updateUser with roles or customData, which take revokeRole on every database, and changeCustomData")
	}
	if err := c.may("changePassword", database(m.db())); err != nil {
		return nil, err
	}
	m.body = append(m.body, bson.E{Key: "roles", Value: bson.A{}})
	if _, _, err := c.readUser(m); err != nil {
		return nil, err
	}
	return c.changeUser(m, func() (bson.D, error) {
		return c.backendAsk(bson.D{
			{Key: "updateUser", Value: m.body[0].Value}, {Key: "pwd", Value: m.field("pwd")},
			{Key: "mechanisms", Value: bson.A{mechanism}}, {Key: "$db", Value: m.db()},
		})
	}, func(userName) {})
}

func (c *emulatedConn) dropUser(m message, _ *emulatedOp) (bson.D, error) {
	if err := c.may("dropUser", database(m.db())); err != nil {
		return nil, err
	}
	if err := checkConcern(m); err != nil {
		return nil, err
	}
	return c.changeUser(m, func() (bson.D, error) {
		return c.backendAsk(bson.D{{Key: "dropUser", Value: m.body[0].Value}, {Key: "$db", Value: m.db()}})
	}, func(name userName) { delete(c.server.users, name) })
}

// changeUser changes a user in FerretDB and then here, one at a time.
func (c *emulatedConn) changeUser(m message, there func() (bson.D, error), here func(userName)) (bson.D, error) {
	s := c.server
	s.changing.Lock()
	defer s.changing.Unlock()
	if _, err := there(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _ := m.body[0].Value.(string)
	here(userName{User: name, DB: m.db()})
	return ok(), nil
}

// usersInfo has FerretDB say who is there, and adds what is known here.
func (c *emulatedConn) usersInfo(m message, _ *emulatedOp) (bson.D, error) {
	names, err := c.readNames(m)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if err := c.may("viewUser", database(m.db())); err != nil {
			return nil, err
		}
	}
	c.server.mu.Lock()
	self := *c.user
	c.server.mu.Unlock()
	for _, n := range names {
		if err := c.may("viewUser", database(n.DB)); err != nil && n != self {
			return nil, err
		}
	}
	marked, err := readFilter(m)
	if err != nil {
		return nil, err
	}
	s := c.server
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := c.backendAsk(bson.D{{Key: "usersInfo", Value: m.body[0].Value}, {Key: "$db", Value: m.db()}})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := bson.A{}
	all, _ := lookup(d, "users").(bson.A)
	for _, v := range all {
		doc, _ := v.(bson.D)
		user, _ := lookup(doc, "user").(string)
		db, _ := lookup(doc, "db").(string)
		u, known := s.users[userName{User: user, DB: db}]
		if !known {
			return nil, unemulated("the user %s, who is unknown here,", user)
		}
		if _, has := lookup(u.custom, marked).(string); marked != "" && !has {
			continue
		}
		out := bson.D{{Key: "_id", Value: db + "." + user}, {Key: "userId", Value: u.id}, {Key: "user", Value: user}, {Key: "db", Value: db}}
		if u.custom != nil {
			out = append(out, bson.E{Key: "customData", Value: u.custom})
		}
		found = append(found, append(out, bson.E{Key: "roles", Value: u.roles}, bson.E{Key: "mechanisms", Value: bson.A{mechanism}}))
	}
	return bson.D{{Key: "users", Value: found}, {Key: "ok", Value: 1.0}}, nil
}

// readNames reads whom usersInfo is about; none are all of the database.
func (c *emulatedConn) readNames(m message) (names []userName, err error) {
	switch v := m.body[0].Value.(type) {
	case int32:
		if v != 1 {
			return nil, refuse(2, "BadValue", "usersInfo: %d", v)
		}
		return nil, nil
	case bson.D:
		if lookup(v, "forAllDBs") == true && len(v) == 1 {
			return nil, c.may("viewUser", resource{Any: true})
		}
		return nil, unemulated("usersInfo of one document")
	case bson.A:
		for _, e := range v {
			d, _ := e.(bson.D)
			user, ok1 := lookup(d, "user").(string)
			db, ok2 := lookup(d, "db").(string)
			if !ok1 || !ok2 || len(d) != 2 {
				return nil, refuse(2, "BadValue", "%v names no user", e)
			}
			names = append(names, userName{User: user, DB: db})
		}
		if len(names) > 0 {
			return names, nil
		}
	}
	return nil, unemulated("usersInfo: %v", m.body[0].Value)
}

// readFilter is the field of customData that must be text, for that is the one filter that is emulated.
func readFilter(m message) (string, error) {
	v := m.field("filter")
	if v == nil {
		return "", nil
	}
	d, _ := v.(bson.D)
	if len(d) == 1 {
		key, found := bytes.CutPrefix([]byte(d[0].Key), []byte("customData."))
		want, _ := d[0].Value.(bson.D)
		if found && slices.Equal(want, bson.D{{Key: "$type", Value: "string"}}) {
			return string(key), nil
		}
	}
	return "", unemulated("the filter %v", v)
}
