package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/identity"
)

const (
	// maxGroups is how many groups are read; on Active Directory, where each is asked for its members, fewer.
	maxGroups       = 20_000
	maxActiveGroups = 1000
	// maxNesting is how many groups deep somebody may be in one. What is deeper fails the read: whoever is left out of a group
	// could be so of one by which a policy denies.
	maxNesting = 16
)

// inChain is LDAP_MATCHING_RULE_IN_CHAIN, by which Active Directory follows groups in groups (MS-ADTS 3.1.1.3.4.4.3).
const inChain = "1.2.840.113556.1.4.1941"

// group is one group of the directory.
type group struct {
	dn, name string
	// members are the entries in it, as keys, and names those of accounts.
	members, names []string
}

// addGroups finds out which groups everybody is in.
func (r *reading) addGroups(people []*person) error {
	if r.config.Groups.Base == "" {
		return nil
	}
	groups, err := r.groups()
	if err != nil {
		return err
	}
	if r.active {
		err = r.askGroups(groups, people)
	} else {
		err = walkGroups(groups, people)
	}
	if err != nil {
		return err
	}
	for _, p := range people {
		slices.Sort(p.Groups)
		if p.Groups = slices.Compact(p.Groups); len(p.Groups) > identity.MaxGroups {
			return fmt.Errorf("the entry %.200q is in %d groups, and at most %d can be kept; confine groups.filter", p.dn, len(p.Groups), identity.MaxGroups)
		}
	}
	return nil
}

// groups reads the groups. Two of one name are refused: a policy that means the one would mean both.
func (r *reading) groups() ([]*group, error) {
	name := r.config.Groups.Name
	if name == "" {
		name = "cn"
	}
	attributes := []string{name}
	if !r.active {
		attributes = append(attributes, "member", "uniqueMember", "memberUid")
	}
	filter := r.config.Groups.Filter
	if filter == "" {
		filter = r.kind.groups
	}
	most := maxGroups
	if r.active {
		most = maxActiveGroups
	}
	var groups []*group
	names := map[string]string{}
	err := r.each(r.config.Groups.Base, filter, attributes, func(e *protocol.Entry) error {
		g := &group{dn: e.DN, name: e.GetEqualFoldAttributeValue(name), names: e.GetEqualFoldAttributeValues("memberUid")}
		switch other, taken := names[g.name]; {
		case g.name == "" || checkText(g.name) != nil:
			return fmt.Errorf("the group %.200q has no %s that can be a name", e.DN, name)
		case taken:
			return fmt.Errorf("the groups %.200q and %.200q have the same %s; confine groups.base, or set groups.name to what tells them apart", e.DN, other, name)
		case len(groups) >= most:
			return fmt.Errorf("there are more than %d groups; confine groups.base or groups.filter to those that policies name", most)
		}
		names[g.name] = e.DN
		for _, attribute := range []string{"member", "uniqueMember"} {
			for _, dn := range e.GetEqualFoldAttributeValues(attribute) {
				g.members = append(g.members, key(dn))
			}
		}
		groups = append(groups, g)
		return nil
	})
	return groups, err
}

// key makes names of entries comparable: their values ignore case and how much space there is between words (RFC 4518, section 2.6),
// and are escaped in one way.
func key(dn string) string {
	parsed, err := protocol.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	for _, rdn := range parsed.RDNs {
		for _, part := range rdn.Attributes {
			// Before they are escaped, which hides letters that are not ASCII.
			part.Type, part.Value = strings.ToLower(part.Type), strings.Join(strings.Fields(strings.ToLower(part.Value)), " ")
		}
	}
	return parsed.String()
}

// askGroups asks Active Directory for the people in each group, also by way of others. A group's own list of members would come in
// pieces, and name groups that are not read.
func (r *reading) askGroups(groups []*group, people []*person) error {
	byID := make(map[string]*person, len(people))
	for _, p := range people {
		byID[p.Subject] = p
	}
	for _, g := range groups {
		err := r.each(r.config.Base, peopleIn(g.dn), []string{r.id}, func(e *protocol.Entry) error {
			if p := byID[r.readID(e)]; p != nil {
				p.Groups = append(p.Groups, g.name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// peopleIn is the filter for the people in a group, also by way of others.
func peopleIn(group string) string {
	return "(&" + activeKind().people + "(memberOf:" + inChain + ":=" + protocol.EscapeFilter(group) + "))"
}

// errNesting says that groups are in groups without an end that can be waited for.
var errNesting = errors.New("groups are nested too deep")

// walkGroups finds the groups that somebody is in, also by way of others, in what the groups list. Of groups that are in each other
// each is visited once. Two people of one uid are refused where a group means one of them by it: nobody can tell which, and whoever
// may make an entry in a unit of theirs could take another's place.
func walkGroups(groups []*group, people []*person) error {
	byMember, byName := map[string][]*group{}, map[string][]*group{}
	for _, g := range groups {
		for _, m := range g.members {
			byMember[m] = append(byMember[m], g)
		}
		for _, n := range g.names {
			byName[n] = append(byName[n], g)
		}
	}
	above := make(map[*group][]string, len(groups))
	for _, g := range groups {
		names, err := ancestors(g, byMember)
		if err != nil {
			return err
		}
		above[g] = names
	}
	named := map[string]*person{}
	for _, p := range people {
		direct := byMember[key(p.dn)]
		for _, uid := range p.uids {
			in := byName[uid]
			if other := named[uid]; other != nil && len(in) > 0 {
				return fmt.Errorf("the entries %.200q and %.200q have the same uid, by which the group %.200q has a member; confine base or filter", p.dn, other.dn, in[0].dn)
			}
			named[uid] = p
			direct = slices.Concat(direct, in)
		}
		for _, g := range direct {
			p.Groups = append(p.Groups, above[g]...)
		}
	}
	return nil
}

// ancestors are the names of a group and of all that it is in.
func ancestors(g *group, byMember map[string][]*group) (names []string, err error) {
	seen := map[*group]bool{g: true}
	level := []*group{g}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxNesting {
			return nil, fmt.Errorf("%w: the group %.200q is in more than %d, one in the other", errNesting, g.dn, maxNesting)
		}
		var next []*group
		for _, one := range level {
			names = append(names, one.name)
			for _, parent := range byMember[key(one.dn)] {
				if !seen[parent] {
					seen[parent] = true
					next = append(next, parent)
				}
			}
		}
		level = next
	}
	return names, nil
}
