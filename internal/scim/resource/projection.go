package resource

import "strings"

// maxProjection bounds the names that a client asks for or leaves out.
const maxProjection = 100

// Projection is what of a document a client wants to see (RFC 7644, section 3.9).
type Projection struct {
	// only, if any, is what is returned, and without what is not.
	only, without []place
}

// ParseProjection reads the parameters attributes and excludedAttributes. Names that nothing has select nothing.
func (t *Type) ParseProjection(attributes, excluded []string) (Projection, error) {
	if len(attributes) > 0 && len(excluded) > 0 {
		return Projection{}, errorf(InvalidValue, "A request has attributes or excludedAttributes, and not both.")
	}
	if len(attributes)+len(excluded) > maxProjection {
		return Projection{}, errorf(TooMany, "A request names more than %d attributes.", maxProjection)
	}
	p := Projection{only: t.places(attributes), without: t.places(excluded)}
	if len(attributes) > 0 && len(p.only) == 0 {
		p.only = t.places([]string{"id"})
	}
	return p, nil
}

func (t *Type) places(names []string) (list []place) {
	for _, name := range names {
		if found, ok := t.resolve(strings.TrimSpace(name)); ok {
			list = append(list, found)
		}
	}
	return list
}

// Wants reports whether an attribute of the core schema is returned.
func (p Projection) Wants(attribute string) bool {
	for _, w := range p.without {
		if w.in == nil && w.attr.Name == attribute && w.sub == nil {
			return false
		}
	}
	for _, o := range p.only {
		if o.in == nil && o.attr.Name == attribute {
			return true
		}
	}
	return len(p.only) == 0
}

// Apply is what of the document is returned. What is always returned is.
func (p Projection) Apply(doc Document) Document {
	if len(p.only) == 0 {
		doc = doc.Clone()
		for _, w := range p.without {
			if w.attr == nil || w.attr.Returned != returnedAlways {
				w.removeFrom(doc)
			}
		}
		return doc
	}
	shown := Document{"id": doc["id"], "schemas": doc["schemas"]}
	for _, o := range p.only {
		o.copyTo(shown, doc)
	}
	return shown
}

func (p place) removeFrom(doc Document) {
	in := doc
	if p.in != nil {
		if in = doc.Sub(p.in.ID); in == nil || p.attr == nil {
			delete(doc, p.in.ID)
			return
		}
	}
	if p.sub == nil {
		delete(in, p.attr.Name)
		return
	}
	eachOf(in[p.attr.Name], func(one Document) { delete(one, p.sub.Name) })
}

// copyTo copies what is at the place.
func (p place) copyTo(shown, doc Document) {
	if p.in != nil {
		from := doc.Sub(p.in.ID)
		if from == nil {
			return
		}
		if p.attr == nil {
			shown[p.in.ID] = from.Clone()
			return
		}
		if shown.Sub(p.in.ID) == nil {
			shown[p.in.ID] = Document{}
		}
		place{attr: p.attr, sub: p.sub}.copyTo(shown.Sub(p.in.ID), from)
		return
	}
	value, there := doc[p.attr.Name]
	if !there {
		return
	}
	if p.sub == nil {
		shown[p.attr.Name] = clone(value)
		return
	}
	p.copyPart(shown, value)
}

// copyPart copies one part of a complex value, or of each of several, beside the parts that were copied before.
func (p place) copyPart(shown Document, value any) {
	if list, several := value.([]any); several {
		copies, _ := shown[p.attr.Name].([]any)
		if copies == nil {
			copies = make([]any, len(list))
			for i := range copies {
				copies[i] = Document{}
			}
			shown[p.attr.Name] = copies
		}
		for i, v := range list {
			if one, ok := v.(Document); ok && one[p.sub.Name] != nil {
				copies[i].(Document)[p.sub.Name] = one[p.sub.Name]
			}
		}
		return
	}
	if one, ok := value.(Document); ok && one[p.sub.Name] != nil {
		if shown.Sub(p.attr.Name) == nil {
			shown[p.attr.Name] = Document{}
		}
		shown.Sub(p.attr.Name)[p.sub.Name] = one[p.sub.Name]
	}
}

// eachOf calls fn with a complex value, or with each of several.
func eachOf(value any, fn func(Document)) {
	switch v := value.(type) {
	case Document:
		fn(v)
	case []any:
		for _, one := range v {
			if one, ok := one.(Document); ok {
				fn(one)
			}
		}
	}
}
