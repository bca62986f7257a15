package mongodb

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// cluster is what privileges about the whole deployment are for.
func cluster() resource { return resource{Cluster: true} }

// database is what privileges about a database as such are for.
func database(name string) resource { return collection(name, "") }

func collection(db, name string) resource { return resource{DB: &db, Collection: &name} }

// covers reports whether a privilege for r is one for what (MongoDB Manual, Resource Document).
func (r resource) covers(what resource) bool {
	switch {
	case r.Any:
		return true
	case r.Cluster || what.Cluster || what.Any:
		return r.Cluster && what.Cluster
	}
	system := len(*what.Collection) > 7 && (*what.Collection)[:7] == "system."
	return (*r.DB == "" || *r.DB == *what.DB) && (*r.Collection == *what.Collection || *r.Collection == "" && !system)
}

// privilegesOf are those of a role, MongoDB's own (as far as they are emulated) or one that was made.
func (s *emulated) privilegesOf(r Role) ([]privilege, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.privileges(r)
}

// privileges is privilegesOf; s.mu is held.
func (s *emulated) privileges(r Role) ([]privilege, bool) {
	read := []string{"find", "listCollections", "collStats", "dbStats", "killCursors"}
	write := append(slices.Clone(read), "insert", "update", "remove", "createCollection", "createIndex", "dropCollection")
	switch {
	case r == Role{"root", admin}:
		return []privilege{{Resource: resource{Any: true}, Actions: []string{"anyAction"}}}, true
	case r.Role == "read":
		return []privilege{{Resource: database(r.DB), Actions: read}}, true
	case r.Role == "readWrite":
		return []privilege{{Resource: database(r.DB), Actions: write}}, true
	}
	made, there := s.roles[r]
	return made, there
}

// may fails unless whoever has logged in may do that.
func (c *emulatedConn) may(action string, what resource) error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.users[*c.user].roles {
		all, _ := s.privileges(r)
		for _, p := range all {
			if p.Resource.covers(what) && (slices.Contains(p.Actions, action) || slices.Contains(p.Actions, "anyAction")) {
				return nil
			}
		}
	}
	return refuse(13, "Unauthorized", "not authorized to execute command (%s)", action)
}

// createRole is how an operator makes Curfew's own role.
func (c *emulatedConn) createRole(m message, _ *emulatedOp) (bson.D, error) {
	if err := c.may("createRole", database(m.db())); err != nil {
		return nil, err
	}
	name, _ := m.body[0].Value.(string)
	var given struct {
		Privileges []struct {
			Resource bson.D   `bson:"resource"`
			Actions  []string `bson:"actions"`
		} `bson:"privileges"`
		Roles []Role `bson:"roles"`
	}
	if err := reread(m.body, &given); err != nil || name == "" || given.Privileges == nil || given.Roles == nil {
		return nil, refuse(2, "BadValue", "createRole: %v", err)
	}
	var all []privilege
	for _, p := range given.Privileges {
		r, ok := readResource(p.Resource)
		if !ok || len(p.Actions) == 0 {
			return nil, refuse(2, "BadValue", "%v is no resource, or nothing can be done with it", p.Resource)
		}
		all = append(all, privilege{Resource: r, Actions: p.Actions})
	}
	s := c.server
	for _, r := range given.Roles {
		more, there := s.privilegesOf(r)
		if !there {
			return nil, refuse(31, "RoleNotFound", "Could not find role: %s", r)
		}
		all = append(all, more...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.roles[Role{name, m.db()}]; there {
		return nil, refuse(51002, "Location51002", "Role \"%s@%s\" already exists", name, m.db())
	}
	s.roles[Role{name, m.db()}] = all
	return ok(), nil
}

func readResource(d bson.D) (r resource, ok bool) {
	err := reread(d, &r)
	named := r.DB != nil && r.Collection != nil && len(d) == 2
	alone := (r.Cluster || r.Any) && r.DB == nil && r.Collection == nil && len(d) == 1
	return r, err == nil && named != alone
}

// reread reads a document into a value.
func reread(d bson.D, v any) error {
	b, err := bson.Marshal(d)
	if err != nil {
		return err
	}
	return bson.Unmarshal(b, v)
}

// rolesInfo tells of the roles that are named; those that are not there are left out.
func (c *emulatedConn) rolesInfo(m message, _ *emulatedOp) (bson.D, error) {
	list, isList := m.body[0].Value.(bson.A)
	if !isList || m.field("showPrivileges") != true {
		return nil, unemulated("rolesInfo: %v, or without privileges", m.body[0].Value)
	}
	found := bson.A{}
	for _, v := range list {
		r, isRole := readRole(v, m.db())
		if !isRole {
			return nil, refuse(2, "BadValue", "%v is no role", v)
		}
		if err := c.may("viewRole", database(r.DB)); err != nil {
			return nil, err
		}
		all, there := c.server.privilegesOf(r)
		if !there {
			continue
		}
		privileges := bson.A{}
		for _, p := range all {
			privileges = append(privileges, bson.D{{Key: "resource", Value: p.Resource.document()}, {Key: "actions", Value: p.Actions}})
		}
		found = append(found, bson.D{
			{Key: "_id", Value: r.DB + "." + r.Role}, {Key: "role", Value: r.Role}, {Key: "db", Value: r.DB}, {Key: "privileges", Value: privileges},
			{Key: "roles", Value: bson.A{}}, {Key: "inheritedRoles", Value: bson.A{}}, {Key: "inheritedPrivileges", Value: privileges},
		})
	}
	return bson.D{{Key: "roles", Value: found}, {Key: "ok", Value: 1.0}}, nil
}

func (r resource) document() bson.D {
	switch {
	case r.Any:
		return bson.D{{Key: "anyResource", Value: true}}
	case r.Cluster:
		return bson.D{{Key: "cluster", Value: true}}
	}
	return bson.D{{Key: "db", Value: *r.DB}, {Key: "collection", Value: *r.Collection}}
}
