package ldap

import (
	"errors"
	"strings"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// namesAtOnce is how many names stand in one filter.
	namesAtOnce = 64
	// searchSeconds is how long the server may look for the groups above: without an index it reads every entry.
	searchSeconds = 3
	// mostFound is more than an ascent takes, with the groups that it knows already.
	mostFound = access.MaxImplied + maxGroups + 1
)

// nestingReader reads, in one session, which groups are members of which.
type nestingReader struct {
	*session
	// refused: the server did not want to tell, and is not asked again.
	refused bool
}

var _ hierarchy = (*nestingReader)(nil)

// implied is what membership in all of these groups implies. A server that does not tell does not hinder what is asked for:
// who reviews it reads that it is not known.
func (r *nestingReader) implied(groups []entry) (access.Implied, error) {
	if r.refused {
		return untold(), nil
	}
	found, err := r.ascend(groups)
	var result *protocol.Error
	if errors.As(err, &result) && !broken(err) {
		r.refused = true
		return untold(), nil
	}
	return found, err
}

func untold() access.Implied {
	return access.Implied{Incomplete: "The directory does not tell which groups these groups are in."}
}

func (r *nestingReader) ascend(groups []entry) (access.Implied, error) {
	level := make([]nested, len(groups))
	for i, g := range groups {
		seen, there, err := r.look(g.dn)
		if err != nil {
			return access.Implied{}, err
		}
		if !there {
			return untold(), nil
		}
		level[i] = seen
	}
	return ascend(r, level)
}

// containing implements hierarchy.
func (r *nestingReader) containing(dns []string) (groups []nested, all bool, err error) {
	attributes := []string{"member", "uniqueMember"}
	if r.active {
		attributes = attributes[:1] // the other one is no link there, has no index, and makes no groups of Windows
	}
	var filter strings.Builder
	for _, dn := range dns {
		for _, attribute := range attributes {
			filter.WriteString("(" + attribute + "=" + protocol.EscapeFilter(dn) + ")")
		}
	}
	return r.find(r.config.Base, protocol.ScopeWholeSubtree, "(|"+filter.String()+")", mostFound)
}

// look implements hierarchy.
func (r *nestingReader) look(dn string) (nested, bool, error) {
	found, _, err := r.find(dn, protocol.ScopeBaseObject, "(objectClass=*)", 1)
	if protocol.IsErrorWithCode(err, protocol.LDAPResultNoSuchObject) {
		return nested{}, false, nil
	}
	if err != nil || len(found) == 0 {
		return nested{}, false, err
	}
	return found[0], true, nil
}

// find searches for groups; all says whether these are all of them.
func (r *nestingReader) find(base string, scope int, filter string, most int) (groups []nested, all bool, err error) {
	found, err := r.Search(protocol.NewSearchRequest(base, scope, protocol.NeverDerefAliases, most, searchSeconds, false,
		filter, []string{"memberOf"}, nil))
	many := protocol.IsErrorWithCode(err, protocol.LDAPResultSizeLimitExceeded)
	if err != nil && !many {
		return nil, false, err
	}
	for _, e := range found.Entries {
		groups = append(groups, nested{dn: e.DN, memberOf: e.GetEqualFoldAttributeValues("memberOf")})
	}
	return groups, !many, nil
}
