package resource

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// maxOperations bounds a patch.
const maxOperations = 1000

// Operation is one change of a patch (RFC 7644, section 3.5.2).
type Operation struct {
	// Op is add, replace or remove, in any case.
	Op    string
	Path  string
	Value any
}

// ReadPatch reads the body of a patch.
func ReadPatch(body []byte) ([]Operation, error) {
	if _, err := readObject(body); err != nil {
		return nil, err
	}
	var patch struct{ Operations []Operation }
	if err := json.Unmarshal(body, &patch); err != nil {
		return nil, errorf(InvalidSyntax, "The body is not a PatchOp: Operations is a list of objects with op, path and value.")
	}
	if len(patch.Operations) == 0 || len(patch.Operations) > maxOperations {
		return nil, errorf(InvalidSyntax, "A patch has 1 to %d Operations.", maxOperations)
	}
	for i := range patch.Operations {
		o := &patch.Operations[i]
		if o.Op = strings.ToLower(o.Op); !slices.Contains([]string{"add", "replace", "remove"}, o.Op) {
			return nil, errorf(InvalidSyntax, "The op of an operation is add, replace or remove.")
		}
	}
	return patch.Operations, nil
}

// Patch is the document after the operations, in their order; all of them or, with an error, none.
func (t *Type) Patch(doc Document, operations []Operation) (Document, error) {
	doc = doc.Clone()
	for _, o := range operations {
		if err := t.apply(doc, o); err != nil {
			return nil, err
		}
	}
	return doc, t.check(doc)
}

func (t *Type) apply(doc Document, o Operation) error {
	if o.Path == "" {
		return t.applyAll(doc, o)
	}
	path, err := t.ParsePath(o.Path)
	if err != nil {
		return err
	}
	if path.attr == nil {
		return t.applyExtension(doc, path.in, o)
	}
	if path.attr.Mutability == readOnly || path.sub != nil && path.sub.Mutability == readOnly {
		return errorf(Mutability, "%s is not for clients to write.", path.leaf().Name)
	}
	return path.apply(doc, o.Op, o.Value)
}

// applyAll applies a change without a path: the value has an attribute for each thing to change. Names with a dot, as
// Microsoft Entra sends them, are paths. What a document may have and clients do not write, such as the id that Okta sends
// along, is left alone.
func (t *Type) applyAll(doc Document, o Operation) error {
	if o.Op == "remove" {
		return errorf(NoTarget, "To remove takes a path.")
	}
	values, ok := o.Value.(map[string]any)
	if !ok {
		return errorf(InvalidValue, "Without a path, the value is an object.")
	}
	if err := sameName(values); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		found, ok := t.resolve(name)
		switch {
		case strings.EqualFold(name, t.Schema.ID):
			// The standard has no such form, but to leave an active: false out that stands there would keep somebody in.
			if err := t.applyAll(doc, Operation{Op: o.Op, Value: value}); err != nil {
				return err
			}
			continue
		case !ok:
			continue
		case found.attr == nil:
			if err := t.applyExtension(doc, found.in, Operation{Op: o.Op, Value: value}); err != nil {
				return err
			}
			continue
		case !found.attr.written() || found.sub != nil && !found.sub.written():
			continue
		}
		if err := (Path{place: found}).apply(doc, o.Op, value); err != nil {
			return err
		}
	}
	return nil
}

// applyExtension changes an extension as a whole.
func (t *Type) applyExtension(doc Document, s *Schema, o Operation) error {
	if o.Op == "remove" || o.Value == nil {
		delete(doc, s.ID)
		return nil
	}
	values, ok := o.Value.(map[string]any)
	if !ok {
		return errorf(InvalidValue, "%s is an object.", s.ID)
	}
	if err := sameName(values); err != nil {
		return err
	}
	for name, value := range values {
		if a := attributeIn(s.Attributes, name); a != nil {
			if err := (Path{place: place{in: s, attr: a}}).apply(doc, o.Op, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply changes what the path is about. The value null removes.
func (p Path) apply(doc Document, op string, value any) error {
	if !p.attr.written() {
		return nil // passwords
	}
	in := doc
	if p.in != nil {
		if in = doc.Sub(p.in.ID); in == nil {
			in = Document{}
		}
		defer func() {
			if doc[p.in.ID] = in; len(in) == 0 {
				delete(doc, p.in.ID)
			}
		}()
	}
	if value == nil && op == "replace" {
		op = "remove"
	}
	var err error
	var changed any
	if p.attr.MultiValued {
		before, _ := in[p.attr.Name].([]any)
		changed, err = p.changeList(before, op, value)
	} else {
		changed, err = p.changeOne(in[p.attr.Name], op, value)
	}
	if err != nil {
		return err
	}
	in.assign(p.attr.Name, changed)
	return nil
}

// changeOne changes an attribute of one value; of a complex one, only the parts that the value has.
func (p Path) changeOne(before any, op string, value any) (any, error) {
	if p.values != nil {
		return nil, errorf(InvalidPath, "%s has one value, and takes no brackets.", p.attr.Name)
	}
	if op == "remove" && p.sub == nil {
		return nil, nil
	}
	if p.sub != nil {
		return p.changePart(before, op, value)
	}
	return replaced(p.attr, before, op, value)
}

// replaced is a value after a change that gives it or, of a complex one, parts of it. A part that is replaced by null is taken
// away, as an attribute is (RFC 7643, section 2.5); a manager would stay one otherwise whom the client has taken away.
func replaced(a *Attribute, before any, op string, value any) (any, error) {
	after, err := normalOne(a, value)
	if err != nil {
		return nil, err
	}
	if op == "replace" {
		before = withoutNulls(a, before, value)
	}
	if after == nil {
		return before, nil
	}
	return merge(before, after), nil
}

// withoutNulls is a complex value without the parts that are null in another.
func withoutNulls(a *Attribute, before, value any) any {
	one, isComplex := before.(Document)
	parts, ok := value.(map[string]any)
	if !isComplex || !ok {
		return before
	}
	one = one.Clone()
	for name, part := range parts {
		if sub := a.sub(name); sub != nil && sub.written() && part == nil {
			delete(one, sub.Name)
		}
	}
	if len(one) == 0 {
		return nil
	}
	return one
}

// changePart changes the path's part of one complex value.
func (p Path) changePart(before any, op string, value any) (any, error) {
	one, _ := before.(Document)
	one = one.Clone()
	if one == nil {
		one = Document{}
	}
	var part any
	if op != "remove" {
		var err error
		if part, err = normal(p.sub, value); err != nil {
			return nil, err
		}
	}
	if one.assign(p.sub.Name, part); len(one) == 0 {
		return nil, nil
	}
	return one, nil
}

// merge puts the parts of a complex value over those that are there.
func merge(before, after any) any {
	old, isComplex := before.(Document)
	parts, ok := after.(Document)
	if !isComplex || !ok {
		return after
	}
	old = old.Clone()
	for name, part := range parts {
		old[name] = part
	}
	return old
}

// changeList changes an attribute of several values. It is held to its bound at once, and not with the whole document in the end: each
// value is compared with those that are there.
func (p Path) changeList(before []any, op string, value any) (any, error) {
	after, err := p.changeValues(slices.Clone(before), op, value)
	if err != nil || len(after) == 0 {
		return nil, err
	}
	if err := p.attr.checkMost(after); err != nil {
		return nil, err
	}
	return onePrimary(before, after), nil
}

func (p Path) changeValues(list []any, op string, value any) ([]any, error) {
	if p.values != nil || p.sub != nil {
		return p.changeSome(list, op, value)
	}
	given, err := normal(p.attr, value)
	if err != nil {
		return nil, err
	}
	values, _ := given.([]any)
	switch {
	case op == "replace":
		return values, nil
	case op == "remove" && value == nil:
		return nil, nil
	case op == "remove": // as Microsoft Entra removes
		return slices.DeleteFunc(list, func(v any) bool {
			return slices.ContainsFunc(values, func(w any) bool { return sameValue(v, w) })
		}), nil
	}
	for _, v := range values {
		if !slices.ContainsFunc(list, func(w any) bool { return reflect.DeepEqual(v, w) }) {
			list = append(list, v)
		}
	}
	return list, nil
}

// sameValue reports whether a value is the one that is named: by its value, if that is all that is said of it.
func sameValue(v, named any) bool {
	one, isComplex := v.(Document)
	want, ok := named.(Document)
	if !isComplex || !ok {
		return reflect.DeepEqual(v, named)
	}
	for name, part := range want {
		if !reflect.DeepEqual(one[name], part) {
			return false
		}
	}
	return true
}

// changeSome changes the values that the path selects, or a part of each.
func (p Path) changeSome(list []any, op string, value any) ([]any, error) {
	found := false
	after := make([]any, 0, len(list))
	for _, v := range list {
		one, _ := v.(Document)
		if one == nil || p.values != nil && !p.values.matches(one) {
			after = append(after, v)
			continue
		}
		found = true
		changed, err := p.changeValue(one, op, value)
		if err != nil {
			return nil, err
		}
		if changed != nil {
			after = append(after, changed)
		}
	}
	switch {
	case found || op == "remove" && p.values == nil:
		return after, nil
	case op == "add" || p.values == nil:
		made, err := p.make(value)
		if err != nil || made == nil {
			return after, err
		}
		return append(after, made), nil
	}
	return nil, errorf(NoTarget, "%s has no value that the path selects.", p.attr.Name)
}

func (p Path) changeValue(one Document, op string, value any) (any, error) {
	switch {
	case p.sub != nil:
		return p.changePart(one, op, value)
	case op == "remove":
		return nil, nil
	}
	return replaced(p.attr, one, op, value)
}

// make is the value that adding to a selection without values makes: adding to emails[type eq "work"].value, as Microsoft
// Entra does for somebody who had none, makes one of this type.
func (p Path) make(value any) (any, error) {
	made := Document{}
	if p.values != nil && !selected(p.values, made) {
		return nil, errorf(NoTarget, "%s has no value that the path selects, and none can be made of it.", p.attr.Name)
	}
	if p.sub != nil {
		return p.changePart(made, "add", value)
	}
	given, err := normalOne(p.attr, value)
	if err != nil || given == nil {
		return nil, err
	}
	return merge(made, given), nil
}

// selected puts what a selection demands into a value, if all that it does is to demand.
func selected(n node, into Document) bool {
	switch n := n.(type) {
	case both:
		return selected(n.left, into) && selected(n.right, into)
	case comparison:
		if n.operator != "eq" || n.value == nil {
			return false
		}
		into[n.attr.Name] = n.written
		return true
	}
	return false
}

// onePrimary takes the mark off the values that were primary when another became it.
func onePrimary(before, after []any) []any {
	was := map[int]bool{}
	marked := primaries(after)
	for _, i := range marked {
		for _, old := range primaries(before) {
			was[i] = was[i] || reflect.DeepEqual(before[old], after[i])
		}
	}
	if len(was) == 0 || len(marked) < 2 {
		return after
	}
	for _, i := range marked {
		if was[i] {
			one := after[i].(Document).Clone()
			delete(one, "primary")
			after[i] = one
		}
	}
	return after
}
