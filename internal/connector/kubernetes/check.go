package kubernetes

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Check reads whether the cluster can be reached and used: its version, what our account may do, the roles, and the clock.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	health, err := d.check(ctx)
	if err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	return health, nil
}

func (d *driver) check(ctx context.Context) (connector.Health, error) {
	health, err := d.readVersion(ctx)
	if err != nil {
		return health, err
	}
	if _, err := d.cluster(ctx); err != nil {
		return health, err
	}
	if err := d.checkRights(ctx); err != nil {
		return health, err
	}
	return health, d.checkRoles(ctx)
}

// readVersion reads the server's version, and its clock, which HTTP tells by the second.
func (d *driver) readVersion(ctx context.Context) (connector.Health, error) {
	var says struct {
		GitVersion string `json:"gitVersion"`
	}
	before := d.clock.Now()
	header, err := d.api.do(ctx, http.MethodGet, "/version", nil, nil, &says)
	if err != nil {
		return connector.Health{}, err
	}
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return connector.Health{}, access.Wrap(access.KindUnavailable, err, "The API server does not say what time it is.")
	}
	// It read its clock somewhere between our two readings, and somewhere in that second.
	middle := before.Add(d.clock.Now().Sub(before) / 2)
	return connector.Health{Version: says.GitVersion, Skew: at.Add(time.Second / 2).Sub(middle)}, nil
}

// checkRights asks the server whether our account may do what the connector's page gives it.
func (d *driver) checkRights(ctx context.Context) error {
	for _, want := range d.rights() {
		review := accessReview{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview", Spec: accessReviewSpec{Resource: &want}}
		if err := d.api.create(ctx, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, &review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return access.Errorf(access.KindMisconfigured, "The account of the connector %s may not %s %s. An operator must allow it; the connector's page has the manifests.",
				d.name, want.Verb, strings.Join([]string{want.Resource, want.Subresource}, " "))
		}
	}
	return nil
}

// rights are what our account needs for the least that is configured.
func (d *driver) rights() []resourceAttributes {
	all := []resourceAttributes{{Verb: "list", Resource: "namespaces"}, {Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}}
	for _, verb := range []string{"get", "list", "create", "patch", "delete"} {
		where := []string{""}
		if len(d.config.Namespaces) > 0 {
			where = d.config.Namespaces
		}
		for _, namespace := range where {
			all = append(all, resourceAttributes{Namespace: namespace, Verb: verb, Group: rbacGroup, Resource: "rolebindings"})
		}
		if d.lendsCluster() {
			all = append(all, resourceAttributes{Verb: verb, Group: rbacGroup, Resource: "clusterrolebindings"})
		}
	}
	if d.users {
		return all
	}
	for _, verb := range []string{"get", "list", "create", "delete"} {
		all = append(all, resourceAttributes{Namespace: d.config.AccountsNamespace, Verb: verb, Resource: "serviceaccounts"})
	}
	return append(all, resourceAttributes{Namespace: d.config.AccountsNamespace, Verb: "create", Resource: "serviceaccounts", Subresource: "token"})
}

// lendsCluster reports whether anything can be asked for on the whole cluster.
func (d *driver) lendsCluster() bool {
	for _, p := range d.config.Permissions {
		if p.WholeCluster {
			return true
		}
	}
	return false
}

// checkRoles reads every role and says what is wrong with any.
func (d *driver) checkRoles(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(d.config.Permissions)) {
		p := d.config.Permissions[name]
		errs = append(errs, d.checkPermission(ctx, name, p))
	}
	return errors.Join(errs...)
}

func (d *driver) checkPermission(ctx context.Context, name string, p Permission) error {
	if p.Role == "" {
		r, err := d.readRole(ctx, p.ref(), "")
		if err != nil {
			return err
		}
		where := "default" // an ordinary one
		if p.WholeCluster {
			where = ""
		}
		return d.checkRole(name, p, r, where)
	}
	found := false
	for r, err := range list[role](ctx, d.api, path("/apis", rbacGroup, "v1", "roles"), url.Values{"fieldSelector": {"metadata.name=" + p.Role}}) {
		if err != nil {
			return err
		}
		found = true
		if err := d.checkRole(name, p, r, r.Metadata.Namespace); err != nil {
			return err
		}
	}
	if !found {
		return access.Errorf(access.KindMisconfigured, "No namespace of the connector %s has the Role %q of the permission %q. An operator must create it or change permissions.", d.name, p.Role, name)
	}
	return nil
}

// readRole reads a ClusterRole, or a Role of the namespace.
func (d *driver) readRole(ctx context.Context, ref roleRef, namespace string) (role, error) {
	at := path("/apis", rbacGroup, "v1", "clusterroles", ref.Name)
	if ref.Kind == kindRole {
		at = path("/apis", rbacGroup, "v1", "namespaces", namespace, "roles", ref.Name)
	}
	var r role
	gone, err := absent(d.api.get(ctx, at, &r))
	if gone {
		err = access.Errorf(access.KindMisconfigured, "The %s %q of the connector %s is not there. An operator must create it or change permissions.", ref.Kind, ref.Name, d.name)
	}
	return r, err
}

// checkRole refuses a role that gives nothing, and one that lets its holder take more than it gives, unless the configuration
// allows that.
func (d *driver) checkRole(name string, p Permission, r role, namespace string) error {
	if _, gives := actionOf(r.Rules, namespace); !gives {
		return access.Errorf(access.KindMisconfigured, "The role %q of the connector %s allows nothing. An operator must give it rules.", r.Metadata.Name, d.name)
	}
	if p.AllowEscalation {
		return nil
	}
	if how := escalations(r.Rules, namespace); len(how) > 0 {
		return access.Errorf(access.KindMisconfigured,
			"The role %q of the permission %q of the connector %s lets its holder take more than it gives: %s. An operator must narrow it, or write allow_escalation: true.",
			r.Metadata.Name, name, d.name, strings.Join(how, "; "))
	}
	return nil
}
