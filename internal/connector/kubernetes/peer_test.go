package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// page is what operators read; its manifests are the ones that are applied here.
const page = "../../../docs/connectors/kubernetes.md"

// People whom the cluster knows without Curfew, with their tokens. The name of one must be encoded wherever it stands.
const (
	standing = "standing@example.com"
	hostile  = `o'brien "dba" <x>/%2e`
)

func people() map[string]string {
	return map[string]string{standing: "standing-token", hostile: "hostile-token", enginetest.Alice: "alice-token"}
}

// curfewUser is Curfew's own account, as the server names it.
const curfewUser = "system:serviceaccount:default:curfew"

// opens is what each permission of the tests opens: reading one kind of object.
func opens() map[string]string {
	return map[string]string{"read": "configmaps", "restart": "services", "debug": "endpoints", "nodes": "nodes"}
}

// cluster is a real API server with namespaces, roles, and what the page gives Curfew.
type cluster struct {
	*localpeer.Kubernetes
	http  *http.Client
	token string // the file with that of Curfew's account
}

func start(t testing.TB) *cluster {
	t.Helper()
	server, err := localpeer.StartKubernetes(t.Context(), localpeer.KubernetesOptions{Users: people(), Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	c := &cluster{Kubernetes: server}
	if c.http, err = server.Client(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	for _, name := range []string{"orders", "archive", "default"} {
		c.try(t, http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]string{"team": name}}})
	}
	for name, resource := range map[string]string{"orders-read": "configmaps", "orders-restart": "services", "nodes-read": "nodes"} {
		c.must(t, http.MethodPost, "/apis/"+rbacVersion+"/clusterroles", reads(name, resource))
	}
	c.must(t, http.MethodPost, "/apis/"+rbacVersion+"/clusterroles", map[string]any{"metadata": map[string]any{"name": "orders-shell"}, "rules": []any{map[string]any{
		"apiGroups": []string{""}, "resources": []string{"pods/exec", "pods/attach", "pods/portforward"}, "verbs": []string{"create"},
	}}})
	c.must(t, http.MethodPost, "/apis/"+rbacVersion+"/namespaces/orders/roles", reads("orders-debug", "endpoints"))
	c.apply(t, "account")
	c.apply(t, "whole cluster")
	c.must(t, http.MethodPatch, "/apis/"+rbacVersion+"/clusterroles/curfew-bindings", map[string]any{"rules": append(c.rules(t, "curfew-bindings"),
		map[string]any{"apiGroups": []string{rbacGroup}, "resources": []string{"clusterroles"}, "verbs": []string{"bind"}, "resourceNames": []string{"nodes-read", "orders-shell"}})})
	c.bindUser(t, standing, "orders-read")
	own := c.objects(t, serversOwn)
	t.Cleanup(func() {
		if !reflect.DeepEqual(own, c.objects(t, serversOwn)) {
			t.Error("a role or a binding of the server's own has changed")
		}
	})
	c.token = filepath.Join(t.TempDir(), "token")
	answer := c.must(t, http.MethodPost, "/api/v1/namespaces/default/serviceaccounts/curfew/token", map[string]any{"spec": map[string]any{"expirationSeconds": 7200}})
	token, _ := answer["status"].(map[string]any)["token"].(string)
	if err := os.WriteFile(c.token, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// reads is a role that reads objects of one kind.
func reads(name, resource string) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name}, "rules": []any{map[string]any{
		"apiGroups": []string{""}, "resources": []string{resource}, "verbs": []string{"get", "list", "watch"},
	}}}
}

func (c *cluster) rules(t testing.TB, name string) []any {
	t.Helper()
	rules, _ := c.must(t, http.MethodGet, "/apis/"+rbacVersion+"/clusterroles/"+name, nil)["rules"].([]any)
	return rules
}

// bindUser gives a user a role in the namespace orders, as an owner would.
func (c *cluster) bindUser(t testing.TB, user, role string) {
	t.Helper()
	c.must(t, http.MethodPost, "/apis/"+rbacVersion+"/namespaces/orders/rolebindings", map[string]any{
		"metadata": map[string]any{"generateName": "owners-"}, "roleRef": roleRef{rbacGroup, kindClusterRole, role},
		"subjects": []subject{{APIGroup: rbacGroup, Kind: kindUser, Name: user}},
	})
}

// apply applies one of the page's manifests.
func (c *cluster) apply(t testing.TB, name string) {
	t.Helper()
	for _, o := range manifests(t, name) {
		c.must(t, http.MethodPost, o.path(), o.value)
	}
}

// manifest is an object of the page.
type manifest struct {
	version, kind, namespace, name string
	value                          map[string]any
}

func (m manifest) path() string {
	root := "/api/v1"
	if m.version != "v1" {
		root = "/apis/" + m.version
	}
	if m.namespace != "" {
		root += "/namespaces/" + m.namespace
	}
	return root + "/" + strings.ToLower(m.kind) + "s"
}

func manifests(t testing.TB, name string) []manifest {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- apply: " + name + " -->\n```yml\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the page has no manifest %q", name)
	}
	var all []manifest
	for d := yaml.NewDecoder(bytes.NewReader(m[1])); ; {
		var value map[string]any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		meta, _ := value["metadata"].(map[string]any)
		o := manifest{value: value}
		o.version, _ = value["apiVersion"].(string)
		o.kind, _ = value["kind"].(string)
		o.name, _ = meta["name"].(string)
		o.namespace, _ = meta["namespace"].(string)
		all = append(all, o)
	}
}

// try makes a request as the administrator.
func (c *cluster) try(t testing.TB, method, path string, in any) (int, map[string]any) {
	t.Helper()
	status, body, err := c.as(context.WithoutCancel(t.Context()), c.AdminToken(), method, path, in)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, body)
	}
	return status, out
}

func (c *cluster) must(t testing.TB, method, path string, in any) map[string]any {
	t.Helper()
	status, out := c.try(t, method, path, in)
	if status >= 300 {
		t.Fatalf("%s %s: %d: %v", method, path, status, out["message"])
	}
	return out
}

// as makes a request with a token.
func (c *cluster) as(ctx context.Context, token, method, path string, in any) (int, []byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URL()+path, body)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", plainJSON)
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", mergePatch)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, b, err
}

func (c *cluster) permissions() map[string]Permission {
	return map[string]Permission{
		"read": {ClusterRole: "orders-read"}, "restart": {ClusterRole: "orders-restart"}, "debug": {Role: "orders-debug"},
		"nodes": {ClusterRole: "nodes-read", WholeCluster: true},
	}
}

// config is the configuration for a server that is reached at the address.
func (c *cluster) config(t testing.TB, change ...func(*Config)) *Config {
	t.Helper()
	config, _ := Type().New().(*Config)
	config.Server, config.CAFile, config.TokenFile = c.URL(), c.CAFile(), c.token
	config.Permissions = c.permissions()
	for _, f := range change {
		f(config)
	}
	return config
}

func (c *cluster) open(t testing.TB, change ...func(*Config)) connector.Driver {
	t.Helper()
	return connectortest.Open(t, "cluster", nil, c.config(t, change...))
}

// reader is somebody who reads what a permission opens.
type reader struct {
	*cluster
	token, path string
}

func (c *cluster) reader(e access.Entitlement, token string) *reader {
	at := "/api/v1/namespaces/" + e.Resource + "/" + opens()[e.Permission]
	if e.Resource == wholeCluster {
		at = "/api/v1/" + opens()[e.Permission]
	}
	return &reader{c, token, at}
}

func (c *cluster) login(_ context.Context, e access.Entitlement, cred access.Credential) (connectortest.Session, error) {
	return c.reader(e, cred.Password), nil
}

func (r *reader) Use(ctx context.Context) error {
	status, body, err := r.as(ctx, r.token, http.MethodGet, r.path, nil)
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: %s", connectortest.ErrRefused, body)
	case status != http.StatusOK:
		return fmt.Errorf("status %d: %s", status, body)
	}
	return nil
}

func (*reader) Close() {}

// snapshot is every object that has to do with who may do what.
func (c *cluster) snapshot(t testing.TB, without ...access.Mark) string {
	t.Helper()
	var lines []string
	for at, o := range c.objects(t, notServersOwn) {
		meta, _ := o["metadata"].(map[string]any)
		notes, _ := meta["annotations"].(map[string]any)
		mark, _ := notes[noteMark].(string)
		if mark != "" && slices.Contains(without, access.Mark(mark)) {
			continue
		}
		line, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, at+" "+string(line))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// The server makes 130 roles and bindings of its own, which are looked at once, at the end of a test, because to read them takes
// longer than all else.
const (
	serversOwn    = "kubernetes.io/bootstrapping%3Drbac-defaults"
	notServersOwn = "kubernetes.io/bootstrapping%21%3Drbac-defaults"
)

// objects are those that have to do with who may do what, by their paths, without what changes with every write.
func (c *cluster) objects(t testing.TB, selector string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, list := range [][2]string{
		{"/api/v1", "namespaces"}, {"/api/v1", "serviceaccounts"}, {"/api/v1", "secrets"}, {"/api/v1", "configmaps"}, {"/api/v1", "pods"}, {"/api/v1", "nodes"},
		{"/apis/" + rbacVersion, "roles"}, {"/apis/" + rbacVersion, "rolebindings"}, {"/apis/" + rbacVersion, "clusterroles"}, {"/apis/" + rbacVersion, "clusterrolebindings"},
	} {
		root, kind := list[0], list[1]
		items, _ := c.must(t, http.MethodGet, root+"/"+kind+"?labelSelector="+selector, nil)["items"].([]any)
		for _, item := range items {
			o, _ := item.(map[string]any)
			meta, _ := o["metadata"].(map[string]any)
			for _, changing := range []string{"resourceVersion", "managedFields", "generation"} {
				delete(meta, changing)
			}
			name, _ := meta["name"].(string)
			at := root
			if namespace, ok := meta["namespace"].(string); ok {
				at += "/namespaces/" + namespace
			}
			all[path(at, kind, name)] = o
		}
	}
	return all
}

// blind takes what Curfew's account sees of bindings, and waits until the server has taken notice.
func (c *cluster) blind(t testing.TB) (back func()) {
	const at = "/apis/" + rbacVersion + "/clusterrolebindings"
	var binding manifest
	for _, m := range manifests(t, "account") {
		if m.kind == kindClusterRoleBinding && m.name == "curfew-bindings" {
			binding = m
		}
	}
	c.must(t, http.MethodDelete, at+"/curfew-bindings", nil)
	c.awaitUser(t, curfewUser, rbacGroup+"/rolebindings", false)
	return func() {
		c.must(t, http.MethodPost, at, binding.value)
		c.awaitUser(t, curfewUser, rbacGroup+"/rolebindings", true)
	}
}

// awaitUser waits until the server lets a user read objects of the namespace orders, or does not.
func (c *cluster) awaitUser(t testing.TB, user, resource string, allowed bool) {
	t.Helper()
	group, name, _ := strings.Cut(resource, "/")
	if name == "" {
		group, name = "", resource
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		answer := c.must(t, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", accessReview{Spec: accessReviewSpec{
			User: user, Resource: &resourceAttributes{Namespace: "orders", Verb: "get", Group: group, Resource: name},
		}})
		if status, _ := answer["status"].(map[string]any); status["allowed"] == allowed {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the server takes no notice")
		}
	}
}

// makeForeign makes what another installation's driver would have made.
func (c *cluster) makeForeign(t testing.TB, mark access.Mark) {
	made := c.must(t, http.MethodPost, "/apis/"+rbacVersion+"/namespaces/orders/rolebindings", binding{
		object:  object{Metadata: metadata{Name: "curfew-foreign-0", Labels: map[string]string{labelManagedBy: managedBy, labelGrant: "gr_foreign"}, Annotations: map[string]string{noteMark: string(mark)}}},
		RoleRef: roleRef{rbacGroup, kindClusterRole, "orders-read"}, Subjects: []subject{},
	})
	name, _ := made["metadata"].(map[string]any)["name"].(string)
	t.Cleanup(func() {
		c.must(t, http.MethodDelete, "/apis/"+rbacVersion+"/namespaces/orders/rolebindings/"+name, nil)
	})
}

func entitlement(resource, permission string) access.Entitlement {
	return access.Entitlement{Connector: "cluster", Resource: resource, Permission: permission}
}
