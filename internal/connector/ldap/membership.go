package ldap

import (
	"context"
	"errors"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// membership is an atom, with the entries as they are now.
type membership struct {
	atom           access.Atom
	account, group entry
	memberships
	// value is what the group's attribute holds: of an account that is gone, what it held when the plan was made.
	value string
}

// membership looks up what an atom is about. The directory must be the one that the plan was made for.
func (s *session) membership(v plan, a access.Atom) (m membership, err error) {
	if a.Target != s.base || v.Base != s.base {
		return m, access.Errorf(access.KindMisconfigured, "The entry %q is not the one that this access was given under; the url or base leads to another directory.", s.config.Base)
	}
	m.atom = a
	if m.account, err = s.byID(a.Account); err != nil {
		return m, err
	}
	if m.group, err = s.byID(a.Right); err != nil || !m.group.there() {
		return m, err
	}
	var known bool
	if m.memberships, known = membershipsOf(m.group); !known {
		return m, access.Errorf(access.KindMisconfigured, "The entry %q is no group any more, or its objectClass may not be seen.", m.group.dn)
	}
	account := entry{dn: v.Account, name: v.Name}
	if m.account.there() {
		account = m.account
	}
	m.value = m.memberships.value(account)
	return m, nil
}

// add makes the account a member. One that is there is fine.
func (s *session) add(m membership) error {
	r := protocol.NewModifyRequest(m.group.dn, nil)
	r.Add(m.attribute, []string{m.value})
	err := s.Modify(r)
	if protocol.IsErrorAnyOf(err, protocol.LDAPResultAttributeOrValueExists, protocol.LDAPResultEntryAlreadyExists) {
		return nil
	}
	return err
}

// remove ends the membership. A group that must not be empty gets the placeholder with the same change.
func (s *session) remove(m membership) error {
	there, err := s.holds(m)
	if err != nil || !there {
		return err
	}
	r := protocol.NewModifyRequest(m.group.dn, nil)
	r.Delete(m.attribute, []string{m.value})
	err = s.Modify(r)
	if protocol.IsErrorWithCode(err, protocol.LDAPResultObjectClassViolation) && s.config.Placeholder != "" {
		r.Add(m.attribute, []string{s.config.Placeholder})
		err = s.Modify(r)
	}
	if err == nil {
		return nil
	}
	if there, again := s.holds(m); again == nil && !there {
		return nil // somebody was faster
	}
	return err
}

// errBlind says that Curfew's account may not see who is a member.
var errBlind = errors.New("the members may not be seen")

// holds asks the server, which compares by its own rules, whether the account is a member. OpenLDAP says so when it is not
// allowed to answer.
func (s *session) holds(m membership) (bool, error) {
	if s.active {
		return s.shows(m)
	}
	there, err := s.Compare(m.group.dn, m.attribute, m.value)
	switch {
	case m.optional && protocol.IsErrorWithCode(err, protocol.LDAPResultNoSuchAttribute):
		return false, nil // nobody is: without the right to compare, the answer is another one
	case protocol.IsErrorAnyOf(err, protocol.LDAPResultInsufficientAccessRights, protocol.LDAPResultNoSuchAttribute):
		return false, errors.Join(errBlind, err)
	}
	return there, err
}

// shows is holds on Active Directory, to which what may not be seen is not there; and Samba's compares the names of
// entries wrongly. So a member that is always there must be seen as well.
func (s *session) shows(m membership) (bool, error) {
	there, err := s.hasMember(m.group.dn, m.attribute, m.value)
	if there || err != nil {
		return there, err
	}
	seen, err := s.hasMember(m.group.dn, m.attribute, s.config.Placeholder)
	if !seen && err == nil {
		err = errBlind
	}
	return false, err
}

// hasMember searches the group itself.
func (s *session) hasMember(group, attribute, value string) (bool, error) {
	found, err := s.Search(protocol.NewSearchRequest(group, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false,
		"("+attribute+"="+protocol.EscapeFilter(value)+")", []string{"1.1"}, nil))
	if err != nil {
		return false, err
	}
	return len(found.Entries) > 0, nil
}

// Observe reads each membership. That the base and the group itself are seen is the proof of sight.
func (d *driver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Presence{}, err
	}
	var presence connector.Presence
	err = d.in(ctx, "read the membership back", func(s *session) error {
		presence = connector.Presence{ReadBy: d.config.BindDN + ", who sees " + d.config.Base + " and the group itself"}
		for _, a := range p.Atoms {
			m, err := s.membership(v, a)
			if err != nil {
				return err
			}
			state := connector.Unknown // of a group that is not seen, nobody can say whether it is there
			if m.group.there() {
				there, err := s.holds(m)
				switch {
				case errors.Is(err, errBlind):
				case err != nil:
					return err
				case there:
					state = connector.Present
				default:
					state = connector.Absent
				}
			}
			presence.Atoms = append(presence.Atoms, connector.AtomPresence{Atom: a, State: state})
		}
		return nil
	})
	if err != nil {
		return connector.Presence{}, err
	}
	return presence, nil
}
