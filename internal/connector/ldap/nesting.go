package ldap

import (
	"fmt"
	"slices"
	"strings"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
)

// maxNesting is how many steps up, from a group to those that it is a member of, are followed.
const maxNesting = 16

// nested is a group on the way up.
type nested struct {
	dn string
	// memberOf are the groups that the entry itself says it is in: on Active Directory, and on OpenLDAP with the overlay.
	// They stand there too when they may not be seen.
	memberOf []string
}

// hierarchy tells of groups in groups.
type hierarchy interface {
	// containing finds groups that have one of these as a member, some of them when there are too many.
	containing(dns []string) (groups []nested, all bool, err error)
	// look reads a group by its name; false when it is not there or may not be seen.
	look(dn string) (nested, bool, error)
}

// ascent collects the groups above some, each once, so that a cycle ends it.
type ascent struct {
	hierarchy
	known map[string]bool
	found access.Implied
	size  int
	// unseen are those of which the name is all that can be read.
	unseen []string
	more   bool
}

// ascend collects what membership in all of these groups implies.
func ascend(h hierarchy, level []nested) (access.Implied, error) {
	a := ascent{hierarchy: h, known: map[string]bool{}}
	for _, g := range level {
		a.known[keyOf(g.dn)] = true
	}
	for range maxNesting {
		if len(level) == 0 || a.more {
			break
		}
		var err error
		if level, err = a.above(level); err != nil {
			return access.Implied{}, err
		}
	}
	slices.Sort(a.found.Rights)
	a.found.Incomplete = a.incomplete(len(level) > 0)
	return a.found, nil
}

// above finds the groups that were not known, one step up.
func (a *ascent) above(level []nested) (next []nested, err error) {
	for groups := range slices.Chunk(level, namesAtOnce) {
		names := make([]string, len(groups))
		for i, g := range groups {
			names[i] = g.dn
		}
		found, all, err := a.containing(names)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			if a.note(g.dn) {
				next = append(next, g)
			}
		}
		a.more = a.more || !all
	}
	for _, g := range level {
		for _, dn := range g.memberOf {
			if !a.note(dn) {
				continue
			}
			group, seen, err := a.look(dn)
			if err != nil {
				return nil, err
			}
			if !seen {
				a.unseen = append(a.unseen, dn)
				continue
			}
			next = append(next, group)
		}
	}
	return next, nil
}

// note adds a group, and reports whether it is new and there was room for it.
func (a *ascent) note(dn string) bool {
	key := keyOf(dn)
	if a.known[key] {
		return false
	}
	if len(a.found.Rights) == access.MaxImplied || a.size+len(dn) > access.MaxImpliedBytes-maxIncomplete {
		a.more = true
		return false
	}
	a.known[key] = true
	a.size += len(dn)
	a.found.Rights = append(a.found.Rights, dn)
	return true
}

// maxIncomplete is more than the longest text of incomplete, in bytes.
const maxIncomplete = 512

// incomplete says why there may be more groups.
func (a *ascent) incomplete(deeper bool) string {
	var why []string
	if len(a.unseen) > 0 {
		why = append(why, fmt.Sprintf("Of %d of these groups Curfew's account sees the name only, and not which groups they are in.", len(a.unseen)))
	}
	switch {
	case a.more:
		why = append(why, "There are more groups than are shown.")
	case deeper:
		why = append(why, fmt.Sprintf("Only %d levels of groups in groups were followed.", maxNesting))
	}
	return strings.Join(why, " ")
}

// keyOf is equal for the same name in another spelling, as far as spellings occur within one directory.
func keyOf(dn string) string {
	if parsed, err := protocol.ParseDN(dn); err == nil {
		dn = parsed.String()
	}
	return strings.ToLower(dn)
}
