package policy

import (
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// index finds the few policies that can concern a requester and a target among very many. Its lists hold positions in
// file order.
type index struct {
	// size is the number of policies.
	size int
	who  map[Selector][]int
	// connector has the policies with a pattern for exactly that connector, bundle those for that bundle.
	connector map[access.ConnectorName][]int
	bundle    map[string][]int
	// wild has the policies with a pattern whose connector has a wildcard.
	wild []int
}

func newIndex(policies []*compiled) index {
	x := index{
		size: len(policies), who: map[Selector][]int{},
		connector: map[access.ConnectorName][]int{}, bundle: map[string][]int{},
	}
	for i, p := range policies {
		for _, who := range p.Who {
			x.who[Selector(who)] = append(x.who[Selector(who)], i)
		}
		for k := range p.patterns {
			x.addPattern(i, &p.patterns[k])
		}
	}
	return x
}

func (x *index) addPattern(position int, p *pattern) {
	if p.bundle != "" {
		x.bundle[p.bundle] = appendOnce(x.bundle[p.bundle], position)
	} else if name, ok := p.literalConnector(); ok {
		x.connector[name] = appendOnce(x.connector[name], position)
	} else {
		x.wild = appendOnce(x.wild, position)
	}
}

// appendOnce appends to a list whose last element is the only one that can be equal.
func appendOnce(list []int, position int) []int {
	if n := len(list); n > 0 && list[n-1] == position {
		return list
	}
	return append(list, position)
}

// forWho marks the policies whose who has one of the selectors.
func (x *index) forWho(selectors []Selector) []bool {
	marked := make([]bool, x.size)
	for _, s := range selectors {
		for _, i := range x.who[s] {
			marked[i] = true
		}
	}
	return marked
}

// near lists, in file order, the policies with a pattern that may match the target.
func (x *index) near(t *Target) []int {
	list := slices.Concat(x.connector[t.Entitlement.Connector], x.wild)
	if t.Bundle != "" {
		list = append(list, x.bundle[t.Bundle]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
