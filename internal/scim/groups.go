package scim

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

// maxGroups bounds the groups of a source: nobody can be in more than may be told of them.
const maxGroups = identity.MaxGroups

func (c *call) getGroup() (*answer, error) { return c.get(c.groups) }

// readGroup reads a whole group.
func (c *call) readGroup() (resource.Document, resource.MemberChange, error) {
	doc, err := c.groups.Read(c.body)
	if err != nil {
		return nil, resource.MemberChange{}, err
	}
	ids, err := resource.TakeMembers(doc)
	change := resource.MemberChange{Clear: true, Add: map[string]bool{}}
	for _, id := range ids {
		change.Add[id] = true
	}
	return doc, change, err
}

func (c *call) createGroup() (*answer, error) {
	doc, members, err := c.readGroup()
	if err != nil {
		return nil, err
	}
	id := c.IDs.New(c.groups.prefix)
	return c.write(txGroup, func(w *writing) (*answer, error) {
		if err := w.room(c.groups, maxGroups); err != nil {
			return nil, err
		}
		v := store.ProvisionedResource{Source: c.source.Source, Kind: store.ProvisionedGroup, ID: id, CreatedAt: w.tx.Now()}
		if err := w.keepGroup(access.EventGroupCreated, &v, nil, doc, members); err != nil {
			return nil, err
		}
		a, err := w.show(c.groups, v)
		if a != nil {
			a.status, a.location = http.StatusCreated, c.address(c.groups, id)
		}
		return a, err
	})
}

func (c *call) replaceGroup() (*answer, error) {
	doc, members, err := c.readGroup()
	if err != nil {
		return nil, err
	}
	return c.write(txGroup, func(w *writing) (*answer, error) {
		v, before, err := w.find(c.groups)
		if err != nil {
			return nil, err
		}
		if err := w.keepGroup(access.EventGroupChanged, &v, before, doc, members); err != nil {
			return nil, err
		}
		return w.show(c.groups, v)
	})
}

// patchGroup answers without the group, which may be large, unless the client asks for attributes of it.
func (c *call) patchGroup() (*answer, error) {
	operations, err := resource.ReadPatch(c.body)
	if err != nil {
		return nil, err
	}
	return c.write(txGroup, func(w *writing) (*answer, error) {
		v, before, err := w.find(c.groups)
		if err != nil {
			return nil, err
		}
		after, members, err := c.groups.PatchGroup(before, operations, func() ([]string, error) {
			return w.tx.Memberships().Members(c.source.Source, v.ID, "", store.MaxMembers)
		})
		if err != nil {
			return nil, err
		}
		if err := w.keepGroup(access.EventGroupChanged, &v, before, after, members); err != nil {
			return nil, err
		}
		if query := c.r.URL.Query(); query.Has("attributes") || query.Has("excludedAttributes") {
			return w.show(c.groups, v)
		}
		return &answer{status: http.StatusNoContent, etag: etag(v, nil)}, nil
	})
}

func (c *call) deleteGroup() (*answer, error) {
	return c.write(txGroup, func(w *writing) (*answer, error) {
		v, _, err := w.find(c.groups)
		if err != nil {
			return nil, err
		}
		n, err := w.tx.Memberships().Count(c.source.Source, v.ID)
		if err != nil {
			return nil, err
		}
		if err := w.tx.StaleUsers().AddMembers(c.source.Source, v.ID); err != nil {
			return nil, err
		}
		if err := w.tx.Provisioned().Delete(c.source.Source, v.Kind, v.ID); err != nil {
			return nil, err
		}
		if err := w.recordGroup(access.EventGroupDeleted, v, map[string]string{"left": strconv.Itoa(n)}); err != nil {
			return nil, err
		}
		return &answer{status: http.StatusNoContent}, c.settle(w.tx, w.enter, c.source)
	})
}

// recordGroup enters what happened to a group. Its name may say something of people.
func (w *writing) recordGroup(kind access.EventKind, v store.ProvisionedResource, detail map[string]string) error {
	return w.record(kind, v, detail, access.Event{Personal: map[string]string{"group": v.Name}})
}

// keepGroup writes a group and what changes of its members, and tells of the first whom it concerns. What stays the same is
// not written.
func (w *writing) keepGroup(kind access.EventKind, v *store.ProvisionedResource, before, after resource.Document, members resource.MemberChange) error {
	joining, leaving, err := w.movements(*v, members)
	if err != nil {
		return err
	}
	if v.Version > 0 && len(joining)+len(leaving) == 0 && reflect.DeepEqual(before, after) {
		return nil
	}
	if err := w.checkGroupName(after.Text(w.groups.name)); err != nil {
		return err
	}
	renamed := v.Version > 0 && v.Name != after.Text(w.groups.name)
	if err := w.keep(w.groups, v, after); err != nil {
		return err
	}
	left, err := w.tx.Memberships().Remove(w.source.Source, v.ID, leaving)
	if err != nil {
		return err
	}
	joined, err := w.join(*v, joining)
	if err != nil {
		return err
	}
	if err := w.queue(*v, renamed, joining, leaving); err != nil {
		return err
	}
	err = w.recordGroup(kind, *v, map[string]string{
		"changed": changed(before, after), "joined": strconv.Itoa(joined), "left": strconv.Itoa(left),
	})
	if err != nil {
		return err
	}
	return w.settle(w.tx, w.enter, w.source)
}

// movements are those who are to join a group and to leave it. Where all members are given, that is what differs.
func (w *writing) movements(v store.ProvisionedResource, c resource.MemberChange) (joining, leaving []string, err error) {
	if c.Clear && v.Version > 0 {
		there, err := w.tx.Memberships().Members(w.source.Source, v.ID, "", store.MaxMembers)
		if err != nil {
			return nil, nil, err
		}
		c.Add, c.Remove = maps.Clone(c.Add), map[string]bool{}
		for _, id := range there {
			if !c.Add[id] {
				c.Remove[id] = true
			}
			delete(c.Add, id)
		}
	}
	return slices.Sorted(maps.Keys(c.Add)), slices.Sorted(maps.Keys(c.Remove)), nil
}

// join makes users members, as long as there are not too many.
func (w *writing) join(v store.ProvisionedResource, users []string) (int, error) {
	n, err := w.tx.Memberships().Add(w.source.Source, v.ID, users)
	if access.KindOf(err) == access.KindNotFound {
		return 0, &failure{
			status: http.StatusBadRequest, scimType: string(resource.InvalidValue),
			detail: access.SafeMessage(err) + " The value of a member is the id of a user of this source; groups in groups are not taken.",
		}
	}
	if err != nil {
		return 0, err
	}
	total, err := w.tx.Memberships().Count(w.source.Source, v.ID)
	if err == nil && total > resource.MaxMembers {
		return 0, statusError(http.StatusForbidden, fmt.Sprintf("A group has %d members at most.", resource.MaxMembers))
	}
	return n, err
}

// queue puts all whom a change concerns into the queue.
func (w *writing) queue(v store.ProvisionedResource, renamed bool, joining, leaving []string) error {
	if err := w.tx.StaleUsers().Add(w.source.Source, true, leaving); err != nil {
		return err
	}
	if renamed {
		return w.tx.StaleUsers().AddMembers(w.source.Source, v.ID)
	}
	return w.tx.StaleUsers().Add(w.source.Source, false, joining)
}

// checkGroupName refuses names that no selector of a policy could name, or that cannot be told apart by eye.
func (w *writing) checkGroupName(name string) error {
	_, err := policy.ParseSelector("group:" + w.source.Name + "/" + name)
	if err == nil && strings.TrimSpace(name) == name {
		return nil
	}
	return &failure{
		status: http.StatusBadRequest, scimType: string(resource.InvalidValue),
		detail: "Policies could not name a group of this displayName: it has characters that are not printed, or begins or ends with a space.",
	}
}
