package resource

import (
	"maps"
	"slices"
	"strings"
)

// MemberChange is what a patch makes of the members of a group, whoever they are before: first all leave or nobody does,
// then those in Remove leave, and those in Add join. No one is in both.
type MemberChange struct {
	Clear       bool
	Add, Remove map[string]bool
}

// Empty reports whether it changes nothing.
func (c MemberChange) Empty() bool { return !c.Clear && len(c.Add) == 0 && len(c.Remove) == 0 }

func (c *MemberChange) add(ids []string) {
	for _, id := range ids {
		c.Add[id] = true
		delete(c.Remove, id)
	}
}

func (c *MemberChange) remove(ids []string) {
	for _, id := range ids {
		delete(c.Add, id)
		c.Remove[id] = true
	}
}

func (c *MemberChange) clear() {
	*c = MemberChange{Clear: true, Add: map[string]bool{}, Remove: map[string]bool{}}
}

// TakeMembers takes the members out of a group's document.
func TakeMembers(doc Document) ([]string, error) {
	ids, err := memberIDs(doc[Members])
	delete(doc, Members)
	return ids, err
}

// memberIDs are the users in a list of members.
func memberIDs(normalised any) ([]string, error) {
	list, _ := normalised.([]any)
	ids := make([]string, 0, len(list))
	for _, v := range list {
		one, _ := v.(Document)
		if kind := one.Text("type"); kind != "" && Fold(kind) != Fold("User") {
			return nil, errorf(InvalidValue, "Members are users: groups in groups are not taken, so assign their people.")
		}
		if one.Text("value") == "" {
			return nil, errorf(InvalidValue, "A member has the id of a user as its value.")
		}
		ids = append(ids, one.Text("value"))
	}
	return ids, nil
}

// maxSelections is how often a patch may have all members of a group looked through.
const maxSelections = 10

// PatchGroup is Patch for a group, whose members are not in its document. members lists those that there are; it is asked
// only for what cannot be answered without.
func (t *Type) PatchGroup(doc Document, operations []Operation, members func() ([]string, error)) (Document, MemberChange, error) {
	doc = doc.Clone()
	change := MemberChange{Add: map[string]bool{}, Remove: map[string]bool{}}
	selections := 0
	for _, o := range operations {
		var err error
		switch path, parseErr := t.ParsePath(o.Path); {
		case o.Path == "":
			err = t.applyToGroup(doc, &change, o)
		case parseErr != nil:
			err = parseErr
		case path.attr != nil && path.attr.Name == Members:
			if path.looksThrough() {
				selections++
			}
			if selections > maxSelections {
				return nil, MemberChange{}, errorf(TooMany, "A patch selects members otherwise than by their id at most %d times.", maxSelections)
			}
			err = path.changeMembers(&change, o, members)
		default:
			err = t.apply(doc, o)
		}
		if err != nil {
			return nil, MemberChange{}, err
		}
	}
	return doc, change, t.check(doc)
}

// applyToGroup applies a change without a path.
func (t *Type) applyToGroup(doc Document, change *MemberChange, o Operation) error {
	values, _ := o.Value.(map[string]any)
	others := maps.Clone(values)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.EqualFold(name, t.Schema.ID) { // see applyAll; members may be in there as well
			delete(others, name)
			if err := t.applyToGroup(doc, change, Operation{Op: o.Op, Value: values[name]}); err != nil {
				return err
			}
			continue
		}
		found, ok := t.resolve(name)
		if !ok || found.attr == nil || found.attr.Name != Members {
			continue
		}
		delete(others, name)
		if err := (Path{place: found}).changeMembers(change, Operation{Op: o.Op, Value: values[name]}, nil); err != nil {
			return err
		}
	}
	if others != nil {
		o.Value = others
	}
	return t.apply(doc, o)
}

func (p Path) changeMembers(change *MemberChange, o Operation, members func() ([]string, error)) error {
	if p.sub != nil {
		return errorf(Mutability, "A member is added or removed, and not changed.")
	}
	if p.values != nil {
		if o.Op != "remove" {
			return errorf(Mutability, "A member is added or removed, and not changed.")
		}
		return p.removeSelected(change, members)
	}
	given, err := normal(p.attr, o.Value)
	if err != nil {
		return err
	}
	ids, err := memberIDs(given)
	switch {
	case err != nil:
		return err
	case o.Op == "add":
		change.add(ids)
	case o.Op == "replace":
		change.clear()
		change.add(ids)
	case o.Value == nil:
		change.clear()
	default: // as Microsoft Entra removes
		change.remove(ids)
	}
	return nil
}

// looksThrough reports whether the path selects members, and not one by its id.
func (p Path) looksThrough() bool {
	if p.values == nil {
		return false
	}
	_, byID := demands(p.values, "value")
	return !byID
}

// removeSelected takes out the members that a filter selects. The one with an id need not be looked for.
func (p Path) removeSelected(change *MemberChange, members func() ([]string, error)) error {
	if id, ok := demands(p.values, "value"); ok {
		if p.values.matches(member(id)) {
			change.remove([]string{id})
		}
		return nil
	}
	var there []string
	if !change.Clear {
		var err error
		if there, err = members(); err != nil {
			return err
		}
	}
	for id := range change.Add {
		there = append(there, id)
	}
	for _, id := range there {
		if p.values.matches(member(id)) {
			change.remove([]string{id})
		}
	}
	return nil
}

// member is a member as a filter sees it.
func member(id string) Document { return Document{"value": id, "type": "User"} }
