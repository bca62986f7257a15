package policy

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// Wider says why a set of policies may give somebody more than another one does, or nothing: then no decision for a stated
// duration is more permissive than it was. who are all principals of the one person. It compares what is written and tries
// nothing, so that what it cannot tell counts as wider.
//
// It goes by the policies alone: that somebody else is in a group now is for the caller to see, and Named says of whom.
func Wider(before, after *Set, who []access.Principal) (why string) {
	c := comparison{who: who}
	if why := c.missing(before, after); why != "" {
		return why
	}
	return c.allowing(before, after)
}

// MayGive reports whether a policy allows those principals anything behind the connector, by any resource and permission.
func (s *Set) MayGive(who []access.Principal, name access.ConnectorName) bool {
	return s.allowsAny(who, func(p *pattern) bool { return p.bundle == "" && p.connector.match(string(name)) })
}

// MayGiveBundle reports whether a policy allows those principals the bundle by its name.
func (s *Set) MayGiveBundle(who []access.Principal, bundle string) bool {
	return s.allowsAny(who, func(p *pattern) bool { return p.bundle == bundle })
}

// Named are the selectors by which the policies that concern those principals name others: who reviews what they ask for, and
// who asks in their name. OwnerOfResource and ManagerOfRequester are among them as they are written.
func (s *Set) Named(who []access.Principal) []Selector {
	var names []Selector
	add := func(texts []string) {
		for _, text := range texts {
			names = append(names, Selector(text))
		}
	}
	for _, p := range slices.Concat(s.concerning(who, EffectAllow), s.concerning(who, EffectGuard)) {
		add(p.OnBehalfOf)
		for _, stage := range p.Stages {
			add(stage.From)
			if stage.Fallback != nil {
				add(stage.Fallback.From)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadsNames reports whether a policy goes by what somebody is called.
func (s *Set) ReadsNames() bool {
	return slices.ContainsFunc(s.policies, func(p *compiled) bool { return p.when.readsNames() || p.until.readsNames() })
}

func (s *Set) allowsAny(who []access.Principal, fits func(*pattern) bool) bool {
	return slices.ContainsFunc(s.concerning(who, EffectAllow), func(p *compiled) bool {
		for i := range p.patterns {
			if fits(&p.patterns[i]) {
				return true
			}
		}
		return false
	})
}

// concerning lists, in file order, the policies of an effect that may be about one of the principals.
func (s *Set) concerning(who []access.Principal, e Effect) []*compiled {
	var list []*compiled
	for _, p := range s.policies {
		if p.Effect == e && (p.isFor(who) || p.lets(who)) {
			list = append(list, p)
		}
	}
	return list
}

// isFor reports whether the policy may be for one of the principals. Who owns a resource is not known here.
func (p *compiled) isFor(who []access.Principal) bool {
	return slices.Contains(p.Who, string(OwnerOfResource)) || slices.ContainsFunc(who, p.matches)
}

func (p *compiled) matches(who access.Principal) bool { return anyMatches(p.Who, who) }

func anyMatches(selectors []string, who access.Principal) bool {
	return slices.ContainsFunc(selectors, func(s string) bool { return Selector(s).Matches(who) })
}

// lets reports whether one of the principals may ask for others by the policy. Whose manager somebody is is not known here.
func (p *compiled) lets(who []access.Principal) bool {
	return slices.Contains(p.OnBehalfOf, string(ManagerOfRequester)) ||
		slices.ContainsFunc(who, func(one access.Principal) bool { return anyMatches(p.OnBehalfOf, one) })
}

// comparison is that of two sets, as the principals of one person see them.
type comparison struct {
	who []access.Principal
}

// sameBut reports whether two policies say the same to these principals, whoever else they are for, and whatever their names
// and longest durations are.
func (c comparison) sameBut(a, b *compiled) bool {
	if c.audience(a) != c.audience(b) || a.lets(c.who) != b.lets(c.who) || a.lets(c.who) && !slices.Equal(a.Who, b.Who) {
		return false
	}
	plain := func(p *compiled) Policy {
		p.Name, p.Who, p.MaxDuration = "", nil, 0
		return p.Policy
	}
	first, second := *a, *b
	return reflect.DeepEqual(plain(&first), plain(&second))
}

// audience says which of the principals a policy is for.
func (c comparison) audience(p *compiled) string {
	marks := fmt.Sprint(slices.Contains(p.Who, string(OwnerOfResource)))
	for _, one := range c.who {
		marks += fmt.Sprint(" ", p.matches(one))
	}
	return marks
}

// missing finds a policy that denied or guarded, and does so no more or otherwise.
func (c comparison) missing(before, after *Set) (why string) {
	for _, effect := range []Effect{EffectDeny, EffectGuard} {
		now := after.concerning(c.who, effect)
		for _, p := range before.concerning(c.who, effect) {
			if !slices.ContainsFunc(now, func(other *compiled) bool { return c.sameBut(p, other) }) {
				return fmt.Sprintf("policy %q, which has the effect %s, was changed or removed", p.Name, effect)
			}
		}
	}
	return ""
}

// allowing compares the policies that allow. Each must have been there, for no less long, and in this order: between equals
// the first decides.
func (c comparison) allowing(old, now *Set) (why string) {
	before, after := old.concerning(c.who, EffectAllow), now.concerning(c.who, EffectAllow)
	kept := make([]bool, len(before))
	last := 0
	for _, p := range after {
		i := c.find(before, last, p)
		if i < 0 && c.find(before, 0, p) >= 0 {
			return fmt.Sprintf("policy %q stands in another place among those that allow", p.Name)
		}
		if i < 0 {
			return fmt.Sprintf("policy %q, which allows, %s", p.Name, changed(old.policies, p))
		}
		kept[i] = kept[i] || p.MaxDuration == before[i].MaxDuration
		last = i
	}
	for i, gone := range before {
		if kept[i] {
			continue
		}
		for _, p := range after {
			if byBurden(p, gone) >= 0 && !noMilder(p, gone) && !c.sameBut(p, gone) {
				return fmt.Sprintf("policy %q was removed or made shorter, and policy %q decides in its stead", gone.Name, p.Name)
			}
		}
	}
	return ""
}

// find is the place, from a place on, of a policy that says the same and lasts no less long; -1 where there is none.
func (c comparison) find(list []*compiled, from int, p *compiled) int {
	for i := from; i < len(list); i++ {
		if p.MaxDuration <= list[i].MaxDuration && c.sameBut(list[i], p) {
			return i
		}
	}
	return -1
}

// changed says what became of a policy that was not there as it is.
func changed(before []*compiled, p *compiled) string {
	if slices.ContainsFunc(before, func(other *compiled) bool { return other.Name == p.Name }) {
		return "was changed"
	}
	return "was added"
}

// noMilder reports whether a policy asks for all that another one asked for, where it decides in that one's stead. A reason or
// a ticket that is missing keeps a policy from deciding, so that it is of no account which of the two wanted one.
func noMilder(p, gone *compiled) bool {
	return (p.Require.MFA || !gone.Require.MFA) && (gone.Until == "" || p.Until == gone.Until) &&
		!slices.ContainsFunc(gone.Stages, func(s Stage) bool {
			return !slices.ContainsFunc(p.Stages, func(other Stage) bool { return reflect.DeepEqual(s, other) })
		})
}
