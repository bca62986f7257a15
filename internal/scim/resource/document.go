package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Bounds of a document.
const (
	maxText   = 8 << 10
	maxBinary = 64 << 10
	maxValues = 200
	// MaxMembers bounds the members of a group.
	MaxMembers = 50_000
	// MaxDocument bounds a document without members as it is kept.
	MaxDocument = 128 << 10
)

// Document is a resource, or a complex value: attributes by their canonical names, those of extensions in a Document under
// the extension's identifier. Values are texts, booleans, Documents, and lists of one of these. What is not assigned is not
// there.
type Document map[string]any

// Read reads the document that a client writes. What clients do not write (readOnly), what is never kept (passwords) and
// what the schemas do not have is left out.
func (t *Type) Read(body []byte) (Document, error) {
	raw, err := readObject(body)
	if err != nil {
		return nil, err
	}
	doc := Document{}
	for name, value := range raw {
		if s := t.extension(name); s != nil {
			value, err := normalObject(s.Attributes, s.ID, value)
			if err != nil {
				return nil, err
			}
			doc.assign(s.ID, value)
			continue
		}
		a := t.attribute(name)
		if a == nil || !a.written() {
			continue
		}
		value, err := normal(a, value)
		if err != nil {
			return nil, err
		}
		doc.assign(a.Name, value)
	}
	return doc, t.check(doc)
}

// written reports whether clients write the attribute, and it is kept. The list of schemas follows from what is written.
func (a *Attribute) written() bool {
	return a.Mutability != readOnly && a.Mutability != writeOnly && a.Name != "schemas"
}

// readObject reads one JSON object. Two names that differ in case alone are one attribute twice.
func readObject(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var raw map[string]any
	if err := decoder.Decode(&raw); err != nil || raw == nil {
		return nil, errorf(InvalidSyntax, "The body is not a JSON object.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errorf(InvalidSyntax, "Something follows the JSON object in the body.")
	}
	return raw, sameName(raw)
}

func sameName(raw map[string]any) error {
	if len(raw) > maxValues {
		return errorf(InvalidSyntax, "An object has more than %d attributes.", maxValues)
	}
	seen := make(map[string]bool, len(raw))
	for name := range raw {
		if seen[Fold(name)] {
			return errorf(InvalidSyntax, "An attribute is there twice, in different cases of letters.")
		}
		seen[Fold(name)] = true
	}
	return nil
}

// Stored reads a document that Store wrote.
func Stored(text []byte) (Document, error) {
	var raw map[string]any
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	return documents(raw).(Document), nil
}

// Store writes a document to be kept.
func (d Document) Store() ([]byte, error) {
	text, err := json.Marshal(d)
	if err == nil && len(text) > MaxDocument {
		return nil, errorf(TooMany, "The resource has more than %d bytes.", MaxDocument)
	}
	return text, err
}

// documents makes Documents of the objects in a JSON value.
func documents(v any) any {
	switch v := v.(type) {
	case map[string]any:
		d := make(Document, len(v))
		for name, value := range v {
			d[name] = documents(value)
		}
		return d
	case []any:
		for i := range v {
			v[i] = documents(v[i])
		}
	}
	return v
}

// assign sets an attribute, or takes it away.
func (d Document) assign(name string, value any) {
	if value == nil {
		delete(d, name)
		return
	}
	d[name] = value
}

// Clone is a copy that shares nothing.
func (d Document) Clone() Document { return clone(d).(Document) }

func clone(v any) any {
	switch v := v.(type) {
	case Document:
		d := maps.Clone(v)
		for name, value := range d {
			d[name] = clone(value)
		}
		return d
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = clone(list[i])
		}
		return list
	}
	return v
}

// Text is a text of the document, or empty.
func (d Document) Text(name string) string {
	s, _ := d[name].(string)
	return s
}

// Sub is a complex value of the document, or nothing.
func (d Document) Sub(name string) Document {
	sub, _ := d[name].(Document)
	return sub
}

// normal is a JSON value in the form in which it is kept; nil when it assigns nothing.
func normal(a *Attribute, value any) (any, error) {
	if !a.MultiValued {
		return normalOne(a, value)
	}
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	if err := a.checkMost(list); err != nil {
		return nil, err
	}
	kept := make([]any, 0, len(list))
	for _, v := range list {
		one, err := normalOne(a, v)
		if err != nil {
			return nil, err
		}
		if one != nil {
			kept = append(kept, one)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept, nil
}

// checkMost refuses more values than the attribute may have.
func (a *Attribute) checkMost(list []any) error {
	most := maxValues
	if a.Name == Members {
		most = MaxMembers
	}
	if len(list) > most {
		return errorf(TooMany, "%s has more than %d values.", a.Name, most)
	}
	return nil
}

func normalOne(a *Attribute, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	switch a.Type {
	case Complex:
		if _, isText := value.(string); isText && a.sub("value") != nil {
			value = map[string]any{"value": value}
		}
		return normalObject(a.SubAttributes, a.Name, value)
	case Boolean:
		return normalBool(a, value)
	case String, Reference, DateTime, Binary:
	}
	s, isText := value.(string)
	most := maxText
	if a.Type == Binary {
		most = maxBinary
	}
	switch {
	case !isText:
		return nil, errorf(InvalidValue, "%s is a text.", a.Name)
	case len(s) > most:
		return nil, errorf(InvalidValue, "%s has more than %d bytes.", a.Name, most)
	case strings.ContainsRune(s, 0):
		return nil, errorf(InvalidValue, "%s has a NUL character.", a.Name)
	}
	return s, nil
}

// normalBool takes the texts that Microsoft Entra sends, too.
func normalBool(a *Attribute, value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		if strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
			return strings.EqualFold(v, "true"), nil
		}
	}
	return nil, errorf(InvalidValue, "%s is true or false.", a.Name)
}

// normalObject is a complex value, or all of an extension.
func normalObject(attributes []Attribute, name string, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, errorf(InvalidValue, "%s is an object.", name)
	}
	if err := sameName(raw); err != nil {
		return nil, err
	}
	doc := Document{}
	for key, v := range raw {
		a := attributeIn(attributes, key)
		if a == nil || !a.written() {
			continue
		}
		v, err := normal(a, v)
		if err != nil {
			return nil, err
		}
		doc.assign(a.Name, v)
	}
	if len(doc) == 0 {
		return nil, nil
	}
	return doc, nil
}

// check holds a whole document to what single values do not show.
func (t *Type) check(doc Document) error {
	for _, a := range t.Schema.Attributes {
		if a.Required {
			s := doc.Text(a.Name)
			if strings.TrimSpace(s) == "" || len(s) > maxName || strings.ContainsFunc(s, unicode.IsControl) {
				return errorf(InvalidValue, "%s is required: 1 to %d bytes, no control characters.", a.Name, maxName)
			}
		}
		list, _ := doc[a.Name].([]any)
		if len(primaries(list)) > 1 {
			return errorf(InvalidValue, "%s has more than one primary value.", a.Name)
		}
		if err := a.checkMost(list); err != nil {
			return err
		}
	}
	return nil
}

// maxName bounds the names by which resources are found.
const maxName = 255

// primaries are the places of the primary values in a list.
func primaries(list []any) (at []int) {
	for i, v := range list {
		if one, _ := v.(Document); one != nil && one["primary"] == true {
			at = append(at, i)
		}
	}
	return at
}

// Fold makes texts that differ in the case of letters alone the same, as strings.EqualFold compares them.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
