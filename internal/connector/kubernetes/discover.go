package kubernetes

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// Discover yields the namespaces that can be asked for, and the whole cluster, each with the permissions whose roles are there
// and may be lent. Labels are the namespaces' own.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		found, err := d.lendable(ctx)
		if err != nil {
			yield(access.Resource{}, d.fail(ctx, err, "look for its roles"))
			return
		}
		if all := found.permissions(""); len(all) > 0 && !yield(access.Resource{Name: wholeCluster, Permissions: all}, nil) {
			return
		}
		for n, err := range list[namespace](ctx, d.api, "/api/v1/namespaces", nil) {
			if err != nil {
				yield(access.Resource{}, d.fail(ctx, err, "list its namespaces"))
				return
			}
			permissions := found.permissions(n.Metadata.Name)
			if !d.offers(n) || len(permissions) == 0 {
				continue
			}
			if !yield(access.Resource{Name: n.Metadata.Name, Labels: n.Metadata.Labels, Permissions: permissions}, nil) {
				return
			}
		}
	}
}

// offers reports whether a namespace can be asked for.
func (d *driver) offers(n namespace) bool {
	switch name := n.Metadata.Name; {
	case n.Status.Phase == "Terminating" || name == d.config.AccountsNamespace:
		return false
	case len(d.config.Namespaces) > 0:
		return slices.Contains(d.config.Namespaces, name)
	default:
		return !isControllers(name)
	}
}

// isControllers reports whether a namespace is one of those in which the cluster's own controllers live.
func isControllers(namespace string) bool { return strings.HasPrefix(namespace, "kube-") }

// checkNamespace fails unless the namespace is there and can be asked for.
func (d *driver) checkNamespace(ctx context.Context, name string) error {
	var n namespace
	if label.MatchString(name) {
		if _, err := absent(d.api.get(ctx, path("/api/v1/namespaces", name), &n)); err != nil {
			return err
		}
	}
	if n.Metadata.Name != name || name == "" || !d.offers(n) {
		return access.Errorf(access.KindNotFound, "The connector %s has no namespace %q that can be asked for.", d.name, name)
	}
	return nil
}

// lendable says where the role of each permission is, and may be lent.
type lendable struct {
	config map[string]Permission
	// roles are the namespaces that have a permission's Role.
	roles map[string]map[string]bool
	// clusterRoles are the permissions whose ClusterRole is there: whether it may be lent in ordinary namespaces, and in the
	// controllers' own.
	clusterRoles map[string]struct{ ordinary, controllers bool }
}

func (d *driver) lendable(ctx context.Context) (lendable, error) {
	found := lendable{d.config.Permissions, map[string]map[string]bool{}, map[string]struct{ ordinary, controllers bool }{}}
	for _, name := range slices.Sorted(maps.Keys(d.config.Permissions)) {
		p := d.config.Permissions[name]
		if p.Role != "" {
			there := map[string]bool{}
			query := url.Values{"fieldSelector": {"metadata.name=" + p.Role}}
			for r, err := range list[role](ctx, d.api, path("/apis", rbacGroup, "v1", "roles"), query) {
				if err != nil {
					return found, err
				}
				there[r.Metadata.Namespace] = d.checkRole(name, p, r, r.Metadata.Namespace) == nil
			}
			found.roles[name] = there
			continue
		}
		r, err := d.readRole(ctx, p.ref(), "")
		if access.KindOf(err) == access.KindMisconfigured {
			continue // Check says so; the others can be asked for
		}
		if err != nil {
			return found, err
		}
		lent := struct{ ordinary, controllers bool }{d.checkRole(name, p, r, "default") == nil, d.checkRole(name, p, r, "kube-system") == nil}
		if p.WholeCluster {
			lent.ordinary = d.checkRole(name, p, r, "") == nil
		}
		found.clusterRoles[name] = lent
	}
	return found, nil
}

// permissions are those that can be asked for in a namespace, or for the whole cluster if it is empty.
func (l lendable) permissions(namespace string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(l.config)) {
		lent := l.clusterRoles[name].ordinary
		switch {
		case l.config[name].WholeCluster != (namespace == ""):
			continue
		case l.config[name].Role != "":
			lent = l.roles[name][namespace]
		case isControllers(namespace):
			lent = l.clusterRoles[name].controllers
		}
		if lent {
			all = append(all, name)
		}
	}
	return all
}
