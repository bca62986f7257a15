package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// bindingsPath is the path of the RoleBindings of a namespace, or of the ClusterRoleBindings.
func bindingsPath(namespace string) string {
	if namespace == "" {
		return path("/apis", rbacGroup, "v1", "clusterrolebindings")
	}
	return path("/apis", rbacGroup, "v1", "namespaces", namespace, "rolebindings")
}

// errForeign says that an object in the place of ours does not bear the mark.
var errForeign = errors.New("it does not bear the grant's mark")

// readBinding reads the binding of a grant; nil when there is none. One that does not bear the mark is errForeign.
func (d *driver) readBinding(ctx context.Context, v plan) (*binding, error) {
	var b binding
	if gone, err := absent(d.api.get(ctx, v.path(), &b)); gone || err != nil {
		return nil, err
	}
	if access.Mark(b.Metadata.Annotations[noteMark]) != v.Mark {
		return nil, errForeign
	}
	return &b, nil
}

// makeBinding makes the binding, for nobody yet. It reports whether another order had made it already.
func (d *driver) makeBinding(ctx context.Context, o connector.Order, v plan) (b *binding, existed bool, err error) {
	kind := kindRoleBinding
	if v.Namespace == "" {
		kind = kindClusterRoleBinding
	}
	wanted := binding{
		object: object{APIVersion: rbacVersion, Kind: kind, Metadata: metadata{
			Name: v.Binding, Namespace: v.Namespace, Labels: d.labels(v.Grant, o.Tenant),
			Annotations: map[string]string{noteMark: string(v.Mark), notePrincipal: principal(o.Principal)},
		}},
		RoleRef: v.Role, Subjects: []subject{},
	}
	b = &binding{}
	err = d.api.create(ctx, v.bindings(), wanted, b)
	if !answered(err, http.StatusConflict) {
		return b, false, err
	}
	b, err = d.readBinding(ctx, v)
	switch {
	case errors.Is(err, errForeign) || err == nil && b != nil && b.RoleRef != v.Role:
		return nil, true, access.Errorf(access.KindConflict, "A binding of the name %q exists at the connector %s and is not this grant's. An operator must look at it.", v.Binding, d.name)
	case err == nil && b == nil:
		return nil, true, access.Errorf(access.KindConflict, "Another call has taken back this grant at the connector %s at the same moment.", d.name)
	}
	return b, true, err
}

// give gives the role to a subject, and to nobody else. It is the one request that gives rights: the server refuses it when the
// binding has been deleted, or deleted and made anew.
func (d *driver) give(ctx context.Context, v plan, b *binding, to subject, expires time.Time) error {
	change := map[string]any{
		"metadata": map[string]any{"uid": b.Metadata.UID, "annotations": map[string]any{noteExpires: nil}},
		"subjects": []subject{to},
	}
	if !expires.IsZero() {
		change["metadata"].(map[string]any)["annotations"] = map[string]any{noteExpires: expires.UTC().Format(time.RFC3339)}
	}
	err := d.api.patch(ctx, v.path(), change, nil)
	if answered(err, http.StatusUnprocessableEntity) { // a UID cannot be changed: this is another binding
		return access.Wrap(access.KindConflict, err, fmt.Sprintf("Another call has made the binding of this grant at the connector %s anew.", d.name))
	}
	return err
}

// expiry is when the token that the binding was given for expires, as was noted with it; zero where there is none.
func (b *binding) expiry() time.Time {
	t, err := time.Parse(time.RFC3339, b.Metadata.Annotations[noteExpires])
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
