package ldap

import (
	"encoding/hex"
	"slices"
	"strings"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/ldapdial"
)

// dialect is what differs from one kind of directory to another.
type dialect struct {
	active bool
	// id is the attribute that never changes and is never used again: entryUUID (RFC 4530), or Active Directory's
	// objectGUID.
	id string
}

// entry is what is read of an account or a group. The zero value is one that is not there, or may not be seen.
type entry struct {
	// id is the value of the dialect's attribute, as text.
	id, dn string
	// classes are its object classes, in lower case.
	classes []string
	// name is the account's, or empty.
	name string
}

// there reports whether the entry was seen.
func (e entry) there() bool { return e.dn != "" }

func (e entry) is(class string) bool { return slices.Contains(e.classes, class) }

// memberships is how a group holds its members.
type memberships struct {
	// attribute holds them. byName: it holds names of accounts, not of entries.
	attribute string
	byName    bool
	// optional: the group may be without any.
	optional bool
}

// membershipsOf reads from the object classes how a group holds its members (RFC 4519, RFC 2307, and Active Directory's
// group).
func membershipsOf(group entry) (memberships, bool) {
	switch {
	case group.is("groupofnames"):
		return memberships{attribute: "member"}, true
	case group.is("groupofuniquenames"):
		return memberships{attribute: "uniqueMember"}, true
	case group.is("posixgroup"):
		return memberships{attribute: "memberUid", byName: true, optional: true}, true
	case group.is("group"):
		return memberships{attribute: "member", optional: true}, true
	}
	return memberships{}, false
}

// value is what the group's attribute holds when the account is a member.
func (m memberships) value(account entry) string {
	if m.byName {
		return account.name
	}
	return account.dn
}

// session is a connection with what is known of the directory behind it.
type session struct {
	*protocol.Conn
	dialect
	config *Config
	// base is the ID of the entry at the base: the identity of the directory, and the control of what is read.
	base string
}

// newSession reads what the directory is. Base must be there and be seen.
func newSession(conn *protocol.Conn, c *Config) (*session, error) {
	active, err := ldapdial.IsActiveDirectory(conn)
	if err != nil {
		return nil, err
	}
	s := &session{Conn: conn, config: c, dialect: dialect{active: active, id: ldapdial.EntryUUID}}
	if active {
		s.id = ldapdial.ObjectGUID
	}
	base, err := s.read(c.Base)
	if err != nil {
		return nil, err
	}
	if base.id == "" {
		return nil, access.Errorf(access.KindMisconfigured, "The entry %q is not there, or Curfew's account may not see it and its %s.", c.Base, s.id)
	}
	s.base = base.id
	return s, nil
}

// attributes are what is read of entries.
func (s *session) attributes() []string {
	return []string{s.id, "objectClass", s.config.AccountAttribute}
}

// read reads an entry by its name.
func (s *session) read(dn string) (entry, error) {
	return s.one(protocol.NewSearchRequest(dn, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", s.attributes(), nil))
}

// byID reads an entry by what never changes, wherever below the base it is now.
func (s *session) byID(id string) (entry, error) {
	filter := "(" + s.id + "=" + s.escapeID(id) + ")"
	return s.one(protocol.NewSearchRequest(s.config.Base, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 2, 0, false,
		filter, s.attributes(), nil))
}

// account reads an account by its name.
func (s *session) account(name string) (entry, error) {
	filter := "(" + s.config.AccountAttribute + "=" + protocol.EscapeFilter(name) + ")"
	return s.one(protocol.NewSearchRequest(s.config.Base, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 2, 0, false,
		filter, s.attributes(), nil))
}

// one runs a search that must find one entry at most.
func (s *session) one(r *protocol.SearchRequest) (entry, error) {
	found, err := s.Search(r)
	if protocol.IsErrorWithCode(err, protocol.LDAPResultNoSuchObject) {
		return entry{}, nil
	}
	many := protocol.IsErrorWithCode(err, protocol.LDAPResultSizeLimitExceeded)
	switch {
	case err != nil && !many:
		return entry{}, err
	case many || len(found.Entries) > 1:
		return entry{}, access.Errorf(access.KindInvalid, "The directory has several entries where there must be one; an operator must make account_attribute and base such that names are unique.")
	case len(found.Entries) == 0:
		return entry{}, nil
	}
	e := found.Entries[0]
	read := entry{dn: e.DN, name: e.GetEqualFoldAttributeValue(s.config.AccountAttribute), id: s.readID(e)}
	for _, class := range e.GetEqualFoldAttributeValues("objectClass") {
		read.classes = append(read.classes, strings.ToLower(class))
	}
	return read, nil
}

// readID is the ID as text: a GUID has 16 bytes of anything.
func (s *session) readID(e *protocol.Entry) string {
	if s.active {
		return hex.EncodeToString(e.GetEqualFoldRawAttributeValue(s.id))
	}
	return e.GetEqualFoldAttributeValue(s.id)
}

func (s *session) escapeID(id string) string {
	raw, err := hex.DecodeString(id)
	if !s.active || err != nil {
		return protocol.EscapeFilter(id)
	}
	return protocol.EscapeFilter(string(raw))
}
