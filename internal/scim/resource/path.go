package resource

import (
	"strconv"
	"strings"
)

// place is where an attribute is in documents of a type.
type place struct {
	// in is the extension that has it, or nil.
	in *Schema
	// attr is nil for an extension as a whole.
	attr *Attribute
	sub  *Attribute
}

// Path says what a change is about (RFC 7644, section 3.5.2): an attribute, perhaps some of its values, perhaps a part.
type Path struct {
	place
	// values selects among the values of attr; nil for all.
	values node
}

// resolve finds an attribute by [URN:]name[.sub], in any case.
func (t *Type) resolve(name string) (place, bool) {
	var p place
	attributes := t.Schema.Attributes
	if schema, rest, known := t.schemaOf(name); known {
		name, attributes = rest, schema.Attributes
		if schema != t.Schema {
			p.in = schema
		}
		if name == "" {
			return p, p.in != nil
		}
	}
	name, sub, dotted := strings.Cut(name, ".")
	if p.attr = attributeIn(attributes, name); p.attr == nil && p.in == nil {
		p.attr = attributeIn(t.common, name)
	}
	if p.attr != nil && dotted {
		p.sub = p.attr.sub(sub)
	}
	return p, p.attr != nil && (!dotted || p.sub != nil)
}

// schemaOf takes the identifier of one of the type's schemas off the beginning of a name.
func (t *Type) schemaOf(name string) (schema *Schema, rest string, known bool) {
	for _, s := range append([]*Schema{t.Schema}, t.Extensions...) {
		if len(name) < len(s.ID) || !strings.EqualFold(name[:len(s.ID)], s.ID) {
			continue
		}
		if rest := name[len(s.ID):]; rest == "" || rest[0] == ':' {
			return s, strings.TrimPrefix(rest, ":"), true
		}
	}
	return nil, name, false
}

// ParsePath reads the path of a change.
func (t *Type) ParsePath(s string) (Path, error) {
	if len(s) > MaxFilter {
		return Path{}, errorf(InvalidPath, "A path has more than %d bytes.", MaxFilter)
	}
	p := parser{text: s, t: t}
	name := p.name()
	found, ok := t.resolve(name)
	if !ok {
		return Path{}, errorf(InvalidPath, "The path at byte %d names no attribute of a %s that this server has; see /Schemas.", p.at-len(name), t.Name)
	}
	path := Path{place: found}
	if p.next() == '[' && path.attr != nil && path.sub == nil {
		var err error
		if path.values, err = p.valueFilter(path.attr); err != nil {
			return Path{}, &Error{Type: InvalidPath, Detail: err.Error()}
		}
		if p.next() == '.' {
			p.at++
			if path.sub = path.attr.sub(p.name()); path.sub == nil {
				return Path{}, errorf(InvalidPath, "What follows the ] of the path is no part of %s.", path.attr.Name)
			}
		}
	}
	if p.at != len(s) {
		return Path{}, errorf(InvalidPath, "The path cannot be read from byte %d on.", p.at)
	}
	return path, nil
}

// values are the values that are in a document at a place; of a complex attribute without a part, its objects.
func (p place) valuesIn(doc Document) []any {
	if p.in != nil {
		doc = doc.Sub(p.in.ID)
	}
	value, there := doc[p.attr.Name]
	if !there {
		return nil
	}
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	if p.sub == nil {
		return list
	}
	var parts []any
	for _, v := range list {
		if one, ok := v.(Document); ok && one[p.sub.Name] != nil {
			parts = append(parts, one[p.sub.Name])
		}
	}
	return parts
}

// Text is the text at a path, or empty; of several values the primary one, or else the first.
func (p Path) Text(doc Document) string {
	if p.attr == nil {
		return ""
	}
	values := place{in: p.in, attr: p.attr}.valuesIn(doc)
	var best string
	for _, v := range values {
		one, isComplex := v.(Document)
		if isComplex && p.values != nil && !p.values.matches(one) {
			continue
		}
		text := p.textOf(v)
		if isComplex && one["primary"] == true && text != "" {
			return text
		}
		if best == "" {
			best = text
		}
	}
	return best
}

func (p Path) textOf(v any) string {
	if one, isComplex := v.(Document); isComplex {
		part := "value"
		if p.sub != nil {
			part = p.sub.Name
		}
		v = one[part]
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}
