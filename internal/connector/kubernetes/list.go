package kubernetes

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// List yields every grant of which a binding or an account bears a mark, whoever's, once.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		cluster, err := d.cluster(ctx)
		if err != nil {
			yield(access.Sighting{}, d.fail(ctx, err, "list what it made"))
			return
		}
		seen := map[access.Mark]bool{}
		for v, err := range d.marked(ctx) {
			if err != nil {
				yield(access.Sighting{}, d.fail(ctx, err, "list what it made"))
				return
			}
			if v.Mark == "" || seen[v.Mark] {
				continue
			}
			seen[v.Mark] = true
			v.Cluster = cluster
			p, err := v.encode()
			if err != nil {
				yield(access.Sighting{}, err)
				return
			}
			if !yield(access.Sighting{Mark: v.Mark, Atom: v.atom(), Note: v.note(), Plan: p}, nil) {
				return
			}
		}
	}
}

// note is what an operator reads of a sighting.
func (v plan) note() string {
	if v.Role.Name == "" {
		return "a ServiceAccount without a binding"
	}
	return "a binding to the " + v.Role.Kind + " " + v.Role.Name
}

// marked yields a plan for each object that looks like Curfew's: bindings, then accounts, which bindings explain.
func (d *driver) marked(ctx context.Context) iter.Seq2[plan, error] {
	query := url.Values{"labelSelector": {labelManagedBy + "=" + managedBy}}
	paths := []string{path("/apis", rbacGroup, "v1", "rolebindings")}
	if len(d.config.Namespaces) > 0 { // our account may see no others
		paths = nil
		for _, namespace := range d.config.Namespaces {
			paths = append(paths, bindingsPath(namespace))
		}
	}
	if d.lendsCluster() {
		paths = append(paths, bindingsPath(""))
	}
	return func(yield func(plan, error) bool) {
		for _, at := range paths {
			for b, err := range list[binding](ctx, d.api, at, query) {
				v := d.planOf(b.object)
				v.Binding, v.Namespace, v.Role = b.Metadata.Name, b.Metadata.Namespace, b.RoleRef
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
		if d.users {
			return
		}
		for a, err := range list[serviceAccount](ctx, d.api, accountsPath(d.config.AccountsNamespace), query) {
			v := d.planOf(a.object)
			v.Namespace, v.Binding, _ = strings.Cut(a.Metadata.Annotations[noteBinding], "/")
			if v.Binding == "" {
				v.Binding = a.Metadata.Name
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// planOf is what an object's own labels and annotations say of its grant.
func (d *driver) planOf(o object) plan {
	v := plan{Grant: o.Metadata.Labels[labelGrant], Mark: access.Mark(o.Metadata.Annotations[noteMark])}
	if !d.users {
		v.Accounts = d.config.AccountsNamespace
	}
	return v
}
