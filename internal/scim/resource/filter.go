package resource

import (
	"strings"
	"time"
)

// Filter selects documents (RFC 7644, section 3.4.2.2).
type Filter struct{ root node }

// Matches reports whether the filter selects the document.
func (f *Filter) Matches(doc Document) bool { return f.root.matches(doc) }

// Mentions reports whether the filter asks for an attribute of the core schema.
func (f *Filter) Mentions(attribute string) bool { return f.root.mentions(attribute) }

// Demands is the text that an attribute must be equal to in every document that the filter selects, if there is one: by it
// the documents are found without looking at all.
func (f *Filter) Demands(attribute string) (value string, ok bool) { return demands(f.root, attribute) }

func demands(n node, attribute string) (string, bool) {
	switch n := n.(type) {
	case both:
		if v, ok := demands(n.left, attribute); ok {
			return v, true
		}
		return demands(n.right, attribute)
	case comparison:
		v, isText := n.written.(string)
		if n.operator == "eq" && n.in == nil && n.attr.Name == attribute && (n.sub == nil || n.sub.Name == "value") && isText {
			return v, true
		}
	case inValues:
		if n.attr.Name == attribute && n.in == nil {
			return demands(n.filter, "value")
		}
	}
	return "", false
}

// node is a part of a filter.
type node interface {
	matches(Document) bool
	mentions(attribute string) bool
}

type (
	both   struct{ left, right node }
	either struct{ left, right node }
	unless struct{ of node }
	// present asks whether there is a value.
	present struct{ place }
	// inValues asks whether one of the values of an attribute is so.
	inValues struct {
		place
		filter node
	}
	comparison struct {
		place
		operator string
		// value is a text, folded if case does not count, a boolean, or nil for null.
		value any
		// written is the value as it was written.
		written any
	}
)

func (n both) matches(d Document) bool   { return n.left.matches(d) && n.right.matches(d) }
func (n either) matches(d Document) bool { return n.left.matches(d) || n.right.matches(d) }
func (n unless) matches(d Document) bool { return !n.of.matches(d) }

func (n present) matches(d Document) bool { return len(n.valuesIn(d)) > 0 }

func (n inValues) matches(d Document) bool {
	for _, v := range n.valuesIn(d) {
		if one, ok := v.(Document); ok && n.filter.matches(one) {
			return true
		}
	}
	return false
}

// matches reports whether one of the values compares so. What is not assigned equals null, and nothing else.
func (n comparison) matches(d Document) bool {
	if n.operator == "ne" {
		equal := n
		equal.operator = "eq"
		return !equal.matches(d)
	}
	values := n.valuesIn(d)
	if n.value == nil {
		return len(values) == 0
	}
	for _, v := range values {
		if n.compares(v) {
			return true
		}
	}
	return false
}

// leaf is the attribute whose values are compared.
func (p place) leaf() *Attribute {
	if p.sub != nil {
		return p.sub
	}
	return p.attr
}

func (n comparison) compares(v any) bool {
	if b, ok := v.(bool); ok {
		return b == n.value
	}
	s, isText := v.(string)
	want, wantsText := n.value.(string)
	if !isText || !wantsText {
		return false
	}
	if n.leaf().Type == DateTime {
		return compareTimes(n.operator, s, want)
	}
	if !n.leaf().CaseExact {
		s = Fold(s)
	}
	switch n.operator {
	case "co":
		return strings.Contains(s, want)
	case "sw":
		return strings.HasPrefix(s, want)
	case "ew":
		return strings.HasSuffix(s, want)
	}
	return ordered(n.operator, strings.Compare(s, want))
}

// compareTimes compares moments, and not how they are written.
func compareTimes(operator, a, b string) bool {
	left, err := time.Parse(time.RFC3339Nano, a)
	if err != nil {
		return false
	}
	right, err := time.Parse(time.RFC3339Nano, b)
	return err == nil && ordered(operator, left.Compare(right))
}

func ordered(operator string, order int) bool {
	switch operator {
	case "eq":
		return order == 0
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	}
	return false
}

func (n both) mentions(a string) bool   { return n.left.mentions(a) || n.right.mentions(a) }
func (n either) mentions(a string) bool { return n.left.mentions(a) || n.right.mentions(a) }
func (n unless) mentions(a string) bool { return n.of.mentions(a) }
func (p place) mentions(a string) bool  { return p.in == nil && p.attr.Name == a }
