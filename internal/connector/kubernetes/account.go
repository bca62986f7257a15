package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// tokenTries bounds how often a token is asked for that expires in time: the server counts by its own clock.
	tokenTries = 3
	// prolonged is a life for which some servers make tokens that last a year, and say that they do not
	// (--service-account-extend-token-expiration).
	prolonged = 3607 * time.Second
)

func accountsPath(namespace string) string {
	return path("/api/v1/namespaces", namespace, "serviceaccounts")
}

// makeAccount makes the account of one credential.
func (d *driver) makeAccount(ctx context.Context, o connector.Order, v plan) (serviceAccount, error) {
	wanted := serviceAccount{object: object{APIVersion: "v1", Kind: kindServiceAccount, Metadata: metadata{
		Name: accountName(v.Binding, o.Attempt), Namespace: v.Accounts, Labels: d.labels(v.Grant, o.Tenant),
		Annotations: map[string]string{noteMark: string(v.Mark), notePrincipal: principal(o.Principal), noteBinding: v.where()},
	}}}
	var made serviceAccount
	err := d.api.create(ctx, accountsPath(v.Accounts), wanted, &made)
	if !answered(err, http.StatusConflict) {
		return made, err
	}
	if err := d.api.get(ctx, path(accountsPath(v.Accounts), wanted.Metadata.Name), &made); err != nil {
		return made, err
	}
	if access.Mark(made.Metadata.Annotations[noteMark]) != v.Mark {
		return made, access.Errorf(access.KindConflict, "A ServiceAccount of the name %q exists at the connector %s and is not this grant's. An operator must look at it.", wanted.Metadata.Name, d.name)
	}
	return made, nil
}

// subject is the account as a binding names it.
func (a serviceAccount) subject() subject {
	return subject{Kind: kindServiceAccount, Name: a.Metadata.Name, Namespace: a.Metadata.Namespace}
}

// accounts yields those of the grant. Without a mark, an object is somebody else's, whatever its labels.
func (d *driver) accounts(ctx context.Context, v plan) iter.Seq2[serviceAccount, error] {
	query := url.Values{"labelSelector": {labelGrant + "=" + v.Grant}}
	return func(yield func(serviceAccount, error) bool) {
		for a, err := range list[serviceAccount](ctx, d.api, accountsPath(v.Accounts), query) {
			if err == nil && access.Mark(a.Metadata.Annotations[noteMark]) != v.Mark {
				continue
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// removeAccounts deletes the grant's accounts, but for one that is kept.
func (d *driver) removeAccounts(ctx context.Context, v plan, keep string) error {
	if v.Accounts == "" {
		return nil
	}
	for a, err := range d.accounts(ctx, v) {
		if err != nil {
			return err
		}
		if a.Metadata.Name == keep {
			continue
		}
		if err := d.removeAccount(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// retireAccounts deletes the grant's accounts, each with a probe by which to see that its tokens have died.
func (d *driver) retireAccounts(ctx context.Context, v plan) error {
	if v.Accounts == "" {
		return nil
	}
	for a, err := range d.accounts(ctx, v) {
		if err != nil {
			return err
		}
		d.makeProbe(ctx, v, a)
		if err := d.removeAccount(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) removeAccount(ctx context.Context, a serviceAccount) error {
	_, err := absent(d.api.delete(ctx, path(accountsPath(a.Metadata.Namespace), a.Metadata.Name), a.Metadata.UID))
	return err
}

// issue has the server make a token that expires at the deadline at the latest, or as soon as it lets any token expire.
func (d *driver) issue(ctx context.Context, a serviceAccount, deadline time.Time) (token string, expires time.Time, err error) {
	life := deadline.Sub(d.clock.Now()).Truncate(time.Second)
	for range tokenTries {
		life = max(life, minTokenLife)
		if life == prolonged {
			life -= time.Second
		}
		request := tokenRequest{APIVersion: "authentication.k8s.io/v1", Kind: "TokenRequest"}
		request.Spec.ExpirationSeconds = int64(life / time.Second)
		request.Spec.Audiences = []string{}
		if err := d.api.create(ctx, path(accountsPath(a.Metadata.Namespace), a.Metadata.Name, "token"), request, &request); err != nil {
			return "", time.Time{}, err
		}
		if expires, err = tokenExpiry(request.Status.Token); err != nil {
			return "", time.Time{}, err
		}
		late := expires.Sub(deadline)
		if late <= 0 || life == minTokenLife && expires.Sub(d.clock.Now()) <= minTokenLife+connector.DefaultSkewLimit {
			return request.Status.Token, expires, nil
		}
		life -= late.Truncate(time.Second) + time.Second
	}
	return "", time.Time{}, access.Errorf(access.KindMisconfigured,
		"The connector %s gives no access: the API server makes tokens that outlive the deadline, whatever is asked for. An operator must correct its clock or its --service-account-* flags.", d.name)
}

// tokenExpiry reads when a token expires in the token itself: what the server says of it may be something else.
func tokenExpiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, errNotJWT
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, errNotJWT // the cause would quote the token
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Expires == 0 {
		return time.Time{}, errNotJWT
	}
	return time.Unix(claims.Expires, 0).UTC(), nil
}

// errNotJWT says that nobody can tell when the token expires.
var errNotJWT = access.Errorf(access.KindMisconfigured, "The API server made a token that does not say when it expires. An operator must let it sign tokens itself.")

// kubeconfig is the configuration of kubectl, in JSON, which is YAML as well.
func (d *driver) kubeconfig(v plan, token string) (string, error) {
	cluster := map[string]any{"server": d.usersServer()}
	if len(d.api.ca) > 0 {
		cluster["certificate-authority-data"] = d.api.ca
	}
	of := map[string]any{"cluster": "cluster", "user": "grant"}
	if v.Namespace != "" {
		of["namespace"] = v.Namespace
	}
	named := func(name, kind string, value any) []any { return []any{map[string]any{"name": name, kind: value}} }
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "curfew",
		"clusters": named("cluster", "cluster", cluster),
		"users":    named("grant", "user", map[string]any{"token": token}),
		"contexts": named("curfew", "context", of),
	}, "", "  ")
	return string(text), err
}
