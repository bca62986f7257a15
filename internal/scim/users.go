package scim

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

// maxUsers bounds the users of a source, and with them what a search reads.
const maxUsers = 100_000

func (c *call) getUser() (*answer, error) { return c.get(c.users) }

func (c *call) createUser() (*answer, error) {
	doc, err := c.users.Read(c.body)
	if err != nil {
		return nil, err
	}
	if _, said := doc["active"]; !said {
		doc["active"] = true
	}
	id := c.IDs.New(c.users.prefix)
	return c.write(txUser, func(w *writing) (*answer, error) {
		if err := w.room(c.users, maxUsers); err != nil {
			return nil, err
		}
		v := store.ProvisionedResource{Source: c.source.Source, Kind: store.ProvisionedUser, ID: id, CreatedAt: w.tx.Now()}
		if err := w.keep(c.users, &v, doc); err != nil {
			return nil, err
		}
		if err := w.told(access.EventUserCreated, v, nil, doc); err != nil {
			return nil, err
		}
		a, err := w.show(c.users, v)
		if a != nil {
			a.status, a.location = http.StatusCreated, c.address(c.users, id)
		}
		return a, err
	})
}

// replaceUser writes the whole document. What is not in it is gone, but for active: leaving that out brings nobody back who
// was shut out.
func (c *call) replaceUser() (*answer, error) {
	doc, err := c.users.Read(c.body)
	if err != nil {
		return nil, err
	}
	return c.rewriteUser(func(before resource.Document) (resource.Document, error) {
		after := doc.Clone()
		if _, said := after["active"]; !said {
			after["active"] = active(before)
		}
		return after, nil
	})
}

func (c *call) patchUser() (*answer, error) {
	operations, err := resource.ReadPatch(c.body)
	if err != nil {
		return nil, err
	}
	return c.rewriteUser(func(before resource.Document) (resource.Document, error) { return c.users.Patch(before, operations) })
}

// rewriteUser writes what becomes of a user's document. One that stays the same is not written.
func (c *call) rewriteUser(become func(before resource.Document) (resource.Document, error)) (*answer, error) {
	return c.write(txUser, func(w *writing) (*answer, error) {
		v, before, err := w.find(c.users)
		if err != nil {
			return nil, err
		}
		after, err := become(before)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(before, after) {
			if err := w.keep(c.users, &v, after); err != nil {
				return nil, err
			}
			if err := w.told(access.EventUserChanged, v, before, after); err != nil {
				return nil, err
			}
		}
		return w.show(c.users, v)
	})
}

// told tells the directory what a user's document has become, and enters it.
func (w *writing) told(kind access.EventKind, v store.ProvisionedResource, before, after resource.Document) error {
	if err := w.source.checkAccount(after); err != nil {
		return err
	}
	switch {
	case active(after):
		a, err := w.source.account(w.tx, v, after)
		if err != nil {
			return err
		}
		if _, err := w.Registrar.Tell(w.tx, w.enter, w.source.Name, a); err != nil {
			return err
		}
	case active(before):
		if err := w.Registrar.Gone(w.tx, w.enter, w.source.principal(v.ID)); err != nil {
			return err
		}
	}
	return w.recordUser(kind, v, map[string]string{"changed": changed(before, after), "active": strconv.FormatBool(active(after))})
}

// recordUser enters what happened to a user. Their name is in it once they are a person, with whom it can be forgotten.
func (w *writing) recordUser(kind access.EventKind, v store.ProvisionedResource, detail map[string]string) error {
	ev := access.Event{Subject: w.source.principal(v.ID)}
	p, err := w.tx.Profiles().Get(w.Tenant, ev.Subject)
	switch {
	case err == nil:
		ev.Person, ev.Personal = p.Person, map[string]string{"user_name": v.Name}
	case access.KindOf(err) != access.KindNotFound:
		return err
	}
	return w.record(kind, v, detail, ev)
}

func (c *call) deleteUser() (*answer, error) {
	return c.write(txUser, func(w *writing) (*answer, error) {
		v, doc, err := w.find(c.users)
		if err != nil {
			return nil, err
		}
		if active(doc) {
			if err := w.Registrar.Gone(w.tx, w.enter, c.source.principal(v.ID)); err != nil {
				return nil, err
			}
		}
		if err := w.touchGroups(v); err != nil {
			return nil, err
		}
		if err := w.tx.Provisioned().Delete(c.source.Source, v.Kind, v.ID); err != nil {
			return nil, err
		}
		return &answer{status: http.StatusNoContent}, w.recordUser(access.EventUserDeleted, v, map[string]string{})
	})
}

// touchGroups gives the groups of a user who is to be deleted another version: a client that has read them with this member
// has not read them as they are.
func (w *writing) touchGroups(user store.ProvisionedResource) error {
	in, err := w.tx.Memberships().GroupsOf(w.source.Source, user.ID)
	if err != nil {
		return err
	}
	for _, g := range in[user.ID] {
		v, err := w.tx.Provisioned().Get(w.source.Source, store.ProvisionedGroup, g.ID)
		if err != nil {
			return err
		}
		v.ChangedAt = w.tx.Now()
		if err := w.tx.Provisioned().Put(v); err != nil {
			return err
		}
	}
	return nil
}
