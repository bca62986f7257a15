package scim

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

// writing is a call in the transaction in which it writes.
type writing struct {
	*call
	tx    store.Tx
	enter func(access.Event) error
}

// write runs fn in one transaction, and then tells Run of those whom it has left in the queue.
func (c *call) write(name store.TxName, fn func(*writing) (*answer, error)) (a *answer, err error) {
	err = c.Books.Change(c.r.Context(), name, func(tx store.Tx, enter func(access.Event) error) error {
		var err error
		a, err = fn(&writing{c, tx, enter})
		return err
	})
	if err != nil {
		return nil, err
	}
	if name == txGroup {
		c.wake()
	}
	return a, nil
}

// record enters what a source has written. Names of attributes say nothing of a person; names of people do.
func (w *writing) record(kind access.EventKind, v store.ProvisionedResource, detail map[string]string, ev access.Event) error {
	ev.Kind = kind
	ev.Actor = access.PrincipalID{Issuer: w.source.Name, Subject: "scim"}
	ev.Detail = detail
	ev.Detail["source"], ev.Detail["id"] = w.source.Name, v.ID
	return w.enter(ev)
}

// keep writes a resource under the name that its document gives it, which nobody else of its kind may have.
func (w *writing) keep(k *kind, v *store.ProvisionedResource, doc resource.Document) error {
	text, err := doc.Store()
	if err != nil {
		return err
	}
	v.Name = doc.Text(k.name)
	v.Key, v.ExternalID, v.Document, v.ChangedAt = resource.Fold(v.Name), doc.Text("externalId"), text, w.tx.Now()
	others, err := w.tx.Provisioned().List(w.source.Source, k.kind, store.ProvisionedFilter{Key: v.Key}, store.Stretch{Limit: 1})
	if err != nil {
		return err
	}
	if len(others) > 0 && others[0].ID != v.ID {
		return &failure{
			status: http.StatusConflict, scimType: uniquenessErr, detail: fmt.Sprintf("There is a %s with this %s already, in some case of letters.", k.Name, k.name),
		}
	}
	if err := w.tx.Provisioned().Put(*v); err != nil {
		return err
	}
	v.Version++
	return nil
}

// room refuses a resource more than a source may have.
func (w *writing) room(k *kind, most int) error {
	n, err := w.tx.Provisioned().Count(w.source.Source, k.kind, store.ProvisionedFilter{})
	if err == nil && n >= most {
		return statusError(http.StatusForbidden, fmt.Sprintf("A source has %d %ss at most; assign fewer to Curfew.", most, strings.ToLower(k.Name)))
	}
	return err
}

// find reads what a call is about, for writing.
func (w *writing) find(k *kind) (v store.ProvisionedResource, doc resource.Document, err error) {
	if v, err = w.tx.Provisioned().Get(w.source.Source, k.kind, w.r.PathValue("id")); err != nil {
		return v, nil, err
	}
	if err := w.ifMatch(v); err != nil {
		return v, nil, err
	}
	doc, err = resource.Stored(v.Document)
	return v, doc, err
}

// changed are the names of the attributes in which two documents differ, for the audit log.
func changed(before, after resource.Document) string {
	var list []string
	for name := range before {
		if !reflect.DeepEqual(before[name], after[name]) {
			list = append(list, name)
		}
	}
	for name := range after {
		if _, was := before[name]; !was {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
