package resource

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Bounds of filters and paths.
const (
	MaxFilter = 4 << 10 // bytes
	maxDepth  = 32
)

// ParseFilter reads a filter on documents of the type.
func (t *Type) ParseFilter(s string) (*Filter, error) {
	if len(s) > MaxFilter {
		return nil, errorf(InvalidFilter, "A filter has more than %d bytes.", MaxFilter)
	}
	p := parser{text: s, t: t}
	root, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(s) {
		return nil, p.unreadable()
	}
	return &Filter{root}, nil
}

// parser reads a filter from left to right.
type parser struct {
	text  string
	at    int
	depth int
	t     *Type
	// of is the attribute whose parts are named, within its brackets.
	of *Attribute
}

func (p *parser) unreadable() *Error {
	return errorf(InvalidFilter, "The filter cannot be read from byte %d on.", p.at)
}

func (p *parser) space() {
	for p.next() == ' ' {
		p.at++
	}
}

// next is the next byte, or 0 at the end.
func (p *parser) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// name reads the characters that names of attributes, identifiers of schemas and operators are made of.
func (p *parser) name() string {
	begin := p.at
	for p.at < len(p.text) && isNameByte(p.text[p.at]) {
		p.at++
	}
	return p.text[begin:p.at]
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("$-_.:", c) >= 0
}

// word reads a name if it is this one, in any case.
func (p *parser) word(want string) bool {
	p.space()
	begin := p.at
	if strings.EqualFold(p.name(), want) {
		return true
	}
	p.at = begin
	return false
}

func (p *parser) disjunction() (node, error) {
	return p.chain("or", p.conjunction, func(a, b node) node { return either{a, b} })
}

func (p *parser) conjunction() (node, error) {
	return p.chain("and", p.factor, func(a, b node) node { return both{a, b} })
}

// chain reads what is joined by a word.
func (p *parser) chain(word string, part func() (node, error), join func(a, b node) node) (node, error) {
	left, err := part()
	for err == nil && p.word(word) {
		var right node
		if right, err = part(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *parser) factor() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errorf(InvalidFilter, "The filter is nested more than %d deep.", maxDepth)
	}
	defer func() { p.depth-- }()
	begin := p.at
	if p.word("not") {
		if p.space(); p.next() == '(' {
			of, err := p.within('(', ')')
			return unless{of}, err
		}
		p.at = begin
	}
	if p.space(); p.next() == '(' {
		return p.within('(', ')')
	}
	return p.expression()
}

// within reads a filter in brackets.
func (p *parser) within(open, closing byte) (node, error) {
	if p.next() != open {
		return nil, p.unreadable()
	}
	p.at++
	inner, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.space(); p.next() != closing {
		return nil, p.unreadable()
	}
	p.at++
	return inner, nil
}

// valueFilter reads a filter on the values of an attribute.
func (p *parser) valueFilter(a *Attribute) (node, error) {
	if a.Type != Complex || p.of != nil {
		return nil, errorf(InvalidFilter, "%s has no parts to select by in brackets here.", a.Name)
	}
	p.of = a
	defer func() { p.of = nil }()
	return p.within('[', ']')
}

func (p *parser) expression() (node, error) {
	begin := p.at
	found, err := p.attribute(p.name())
	if err != nil {
		p.at = begin
		return nil, err
	}
	if p.next() == '[' && found.sub == nil {
		return p.values(found)
	}
	return p.comparison(found)
}

// values reads a filter on the values of an attribute, in brackets. What may follow them, a part that is compared, is no
// syntax of the RFC: Microsoft Entra asks so for emails[type eq "work"].value.
func (p *parser) values(of place) (node, error) {
	filter, err := p.valueFilter(of.attr)
	if err != nil || p.next() != '.' {
		return inValues{of, filter}, err
	}
	p.at++
	part := of.attr.sub(p.name())
	if part == nil {
		return nil, p.unreadable()
	}
	compared, err := p.comparison(place{attr: part})
	return inValues{of, both{filter, compared}}, err
}

// comparison reads what follows the name of an attribute.
func (p *parser) comparison(found place) (node, error) {
	p.space()
	operator := strings.ToLower(p.name())
	if operator == "pr" {
		return present{found}, nil
	}
	if !slices.Contains([]string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}, operator) {
		return nil, p.unreadable()
	}
	p.space()
	value, err := p.literal()
	if err != nil {
		return nil, err
	}
	return compare(found, operator, value)
}

// attribute finds what a filter names.
func (p *parser) attribute(name string) (place, error) {
	if p.of != nil {
		if a := p.of.sub(name); a != nil {
			return place{attr: a}, nil
		}
		return place{}, errorf(InvalidFilter, "The filter at byte %d names no part of %s.", p.at-len(name), p.of.Name)
	}
	found, ok := p.t.resolve(name)
	if !ok || found.attr == nil {
		return place{}, errorf(InvalidFilter, "The filter at byte %d names no attribute of a %s that this server has; see /Schemas.", p.at-len(name), p.t.Name)
	}
	return found, nil
}

// literal reads a JSON text, number, boolean or null.
func (p *parser) literal() (any, error) {
	begin := p.at
	if p.next() == '"' {
		for p.at++; p.next() != '"' && p.at < len(p.text); p.at++ {
			if p.next() == '\\' {
				p.at++
			}
		}
		p.at++
	} else {
		for p.at < len(p.text) && strings.IndexByte(" ()[]", p.text[p.at]) < 0 {
			p.at++
		}
	}
	var v any
	if p.at > len(p.text) || json.Unmarshal([]byte(p.text[begin:p.at]), &v) != nil {
		p.at = begin
		return nil, errorf(InvalidFilter, "The filter has no value at byte %d: a text is in double quotes.", begin)
	}
	return v, nil
}

// compare makes a comparison, of a complex attribute that has a value by its value.
func compare(found place, operator string, value any) (node, error) {
	if found.attr.Type == Complex && found.sub == nil {
		if found.sub = found.attr.sub("value"); found.sub == nil {
			return nil, errorf(InvalidFilter, "%s is compared by one of its parts.", found.attr.Name)
		}
	}
	a := found.leaf()
	equality := operator == "eq" || operator == "ne"
	switch {
	case a.Returned == returnedNever:
		return nil, errorf(InvalidFilter, "%s is not kept.", a.Name)
	case value == nil && equality:
		return comparison{place: found, operator: operator}, nil
	case a.Type == Boolean && equality:
		b, err := normalBool(a, value)
		if err != nil {
			return nil, errorf(InvalidFilter, "%s is true or false.", a.Name)
		}
		return comparison{found, operator, b, b}, nil
	}
	s, isText := value.(string)
	if !isText || a.Type == Boolean {
		return nil, errorf(InvalidFilter, "%s cannot be compared so.", a.Name)
	}
	if a.Type == DateTime {
		_, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le"}, operator) {
			return nil, errorf(InvalidFilter, "%s is compared by eq, ne, gt, ge, lt or le with a time of RFC 3339.", a.Name)
		}
	}
	if written := s; !a.CaseExact && a.Type != DateTime {
		return comparison{found, operator, Fold(s), written}, nil
	}
	return comparison{found, operator, s, s}, nil
}
