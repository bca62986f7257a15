package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
)

// write makes a configuration file in a folder of its own.
func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "curfew.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) *config.Config {
	t.Helper()
	cfg, err := config.Load(path, options())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestLoadServerAndStore(t *testing.T) {
	design := load(t, "testdata/check/good-design.yaml")
	if want := (config.Server{Listen: "127.0.0.1:8420", URL: "https://curfew.acme.example", Key: config.Key{File: "testdata/check/curfew.key"}, HeadFile: "testdata/check/curfew.head", JournalFile: "testdata/check/curfew.journal"}); design.Server != want {
		t.Errorf("server %+v, want %+v", design.Server, want)
	}
	if want := (config.Store{Path: "testdata/check/curfew.db"}); design.Store != want {
		t.Errorf("store %+v, want %+v", design.Store, want)
	}
	minimal := load(t, "testdata/check/good-minimal.yaml")
	if want := (config.Server{Listen: "127.0.0.1:8420", Key: config.Key{File: "testdata/check/curfew.key"}, HeadFile: "testdata/check/curfew.head", JournalFile: "testdata/check/curfew.journal"}); minimal.Server != want {
		t.Errorf("server %+v, want the defaults %+v", minimal.Server, want)
	}
	proxied := load(t, "testdata/check/good-server-behind-proxy.yaml")
	if want := (config.Server{Listen: "0.0.0.0:8420", URL: "https://curfew.acme.example", Key: config.Key{File: "testdata/check/keys/curfew.key"}, HeadFile: "testdata/check/heads/curfew.head", JournalFile: "testdata/check/keys/curfew.journal"}); proxied.Server != want {
		t.Errorf("server %+v, want %+v", proxied.Server, want)
	}
}

func TestLoadDirectory(t *testing.T) {
	cfg := load(t, "testdata/check/good-design.yaml")
	id := func(s string) access.PrincipalID { return access.PrincipalID{Issuer: access.StaticIssuer, Subject: s} }
	want := []config.Principal{
		{Principal: access.Principal{
			ID: id("alice"), Kind: access.Human, Person: "alice",
			Groups: []string{"static/engineering", "static/payments"}, Attributes: map[string]string{"db_user": "alice"}, Manager: id("bob"),
		}, Token: "env:ALICE_TOKEN"},
		{Principal: access.Principal{
			ID: id("bob"), Kind: access.Human, Person: "bob", Groups: []string{"static/engineering", "static/payments-leads"},
		}, Token: "env:BOB_TOKEN"},
		{Principal: access.Principal{
			ID: id("carol"), Kind: access.Human, Person: "carol", Name: "Carol Jones", Groups: []string{"static/platform", "static/security"},
		}, Token: "file:testdata/check/tokens/carol"},
		{Principal: access.Principal{ID: id("dave"), Kind: access.Human, Person: "dave", Groups: []string{"static/audit"}}},
		{Principal: access.Principal{ID: id("alice-laptop"), Kind: access.Human, Person: "alice", Groups: []string{}}, Token: "env:LAPTOP_TOKEN"},
		{Principal: access.Principal{ID: id("deployer"), Kind: access.Service, Person: "bob", Groups: []string{"static/ci"}}, Token: "env:DEPLOY_TOKEN"},
		{Principal: access.Principal{ID: id("helper"), Kind: access.Agent, Person: "alice", Groups: []string{}, ActsFor: id("alice"), Manager: id("bob")}, Token: "env:HELPER_TOKEN"},
	}
	if diff := cmp.Diff(want, cfg.Principals); diff != "" {
		t.Errorf("principals (-want +got):\n%s", diff)
	}
	wantRoles := config.Roles{
		access.RoleAdmin:   {"group:static/platform"},
		access.RoleAuditor: {"group:static/audit", "principal:static/carol"},
	}
	if diff := cmp.Diff(wantRoles, cfg.Roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}

func TestLoadConnectorsAndBundles(t *testing.T) {
	cfg := load(t, "testdata/check/good-design.yaml")
	if len(cfg.Connectors) != 1 {
		t.Fatalf("%d connectors, want 1", len(cfg.Connectors))
	}
	c := cfg.Connectors[0]
	if want := (connector.Owners{All: []string{"group:static/payments-leads"}, Of: map[string][]string{"billing": {"person:carol"}}}); !cmp.Equal(c.Owners, want) {
		t.Errorf("owners %+v, want %+v", c.Owners, want)
	}
	if c.Name != "orders-db" || c.Type.Name != "standin" || c.Timeout != 20*time.Second || c.Concurrency != 4 || c.Rate != 10 {
		t.Errorf("connector %+v", c)
	}
	if diff := cmp.Diff(map[string]string{"env": "prod", "team": "payments", "customer": "acme"}, c.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	want := &standIn{
		DSN: "env:ORDERS_DSN", Observer: &standInAccount{DSN: "env:OBSERVER_DSN"},
		Grants:     map[string]standInPermission{"read": {Roles: []string{"orders_read"}}, "write": {Roles: []string{"orders_write"}}},
		Iterations: 1, Factor: 1.5, KeepObjects: true, LockTimeout: 2 * time.Second, Databases: []string{"orders", "billing"},
	}
	if diff := cmp.Diff(want, c.Config); diff != "" {
		t.Errorf("the type's own keys (-want +got):\n%s", diff)
	}
	wantBundles := map[string]access.Bundle{"incident": {UndoPartial: true, Entitlements: []access.Entitlement{
		{Connector: "orders-db", Resource: "orders", Permission: "write"},
		{Connector: "orders-db", Resource: "orders", Permission: "read"},
	}}}
	if diff := cmp.Diff(wantBundles, cfg.Bundles); diff != "" {
		t.Errorf("bundles (-want +got):\n%s", diff)
	}
}

func TestTypesKeepTheirDefaults(t *testing.T) {
	c := load(t, "testdata/check/good-minimal.yaml").Connectors[0]
	own := c.Config.(*standIn)
	if own.Iterations != 4096 || own.LockTimeout != 5*time.Second {
		t.Errorf("keys that are not written are %d and %s, want the type's defaults", own.Iterations, own.LockTimeout)
	}
	if c.Timeout != 0 || c.Concurrency != 0 || c.Rate != 0 {
		t.Errorf("limits that are not written are %s, %d and %g, want zero", c.Timeout, c.Concurrency, c.Rate)
	}
}

func TestLoadPolicies(t *testing.T) {
	cfg := load(t, "testdata/check/good-design.yaml")
	want := []policy.Policy{
		{
			Name: "production", Effect: policy.EffectAllow, Who: []string{"group:payments"}, What: []string{"orders-db/**:*", "bundle:incident"},
			When: `resource.labels[?"env"].orValue("") == "prod"`, MaxDuration: 4 * time.Hour,
			Require: policy.Requirements{Reason: true}, Auto: true,
		},
		{
			Name: "production-with-review", Effect: policy.EffectAllow, Who: []string{"group:engineering", "kind:agent"}, OnBehalfOf: []string{"group:payments-leads", "manager-of-requester"}, What: []string{"orders-db/**:read"},
			When:        "resource.labels[?\"env\"].orValue(\"\") == \"prod\" &&\nprincipal.kind != \"service\"\n",
			MaxDuration: 8 * time.Hour,
			Stages:      []policy.Stage{{From: []string{"group:payments-leads"}, Count: 1, Within: 2 * time.Hour, Fallback: &policy.Fallback{From: []string{"person:carol"}, Within: 4 * time.Hour}}},
		},
		{
			Name: "two-pairs-of-eyes", Effect: policy.EffectGuard, Who: []string{"anyone"}, What: []string{"orders-db/**:write"},
			Stages: []policy.Stage{
				{From: []string{"group:payments-leads", "person:carol"}, Count: 2},
				{From: []string{"owner-of-resource"}, Count: 1},
				{From: []string{"manager-of-requester"}, Count: 1, NoDelegates: true},
			},
		},
		{Name: "never-agents", Effect: policy.EffectDeny, Who: []string{"kind:agent"}, What: []string{"*/**:write"}},
	}
	if diff := cmp.Diff(want, cfg.Policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	if cfg.PolicySet == nil || cfg.PolicySet.Digest() == "" {
		t.Error("the policies are not compiled")
	}
}

func TestLoadFolderInNameOrder(t *testing.T) {
	cfg := load(t, "testdata/check/good-folder")
	var policies, principals, connectors []string
	for _, p := range cfg.Policies {
		policies = append(policies, p.Name)
	}
	for _, p := range cfg.Principals {
		principals = append(principals, p.ID.Subject)
	}
	for _, c := range cfg.Connectors {
		connectors = append(connectors, string(c.Name))
	}
	got := fmt.Sprint(policies, principals, connectors)
	if want := "[read billing] [alice bob carol erin] [orders-db billing-db]"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
	if want := "testdata/check/good-folder/curfew.db"; cfg.Store.Path != want {
		t.Errorf("the store is %s, want %s", cfg.Store.Path, want)
	}
}

func TestSecretsAreResolvedOnRequest(t *testing.T) {
	const head = "store: sqlite:./curfew.db\nroles: {admin: ['principal:alice']}\ndirectory:\n  static:\n"
	const alice = "    - {id: alice, kind: human, token: env:CURFEW_TEST_ALICE}\n"
	tests := []struct{ name, people, want string }{
		{"a variable that is not set", "    - {id: alice, kind: human, token: env:CURFEW_TEST_UNSET}\n", "5:39: secret env:CURFEW_TEST_UNSET is empty or not set"},
		{"a file that is not there", "    - {id: alice, kind: human, token: file:missing}\n", "missing: no such file or directory"},
		{"a token of two", alice + "    - {id: bob, kind: human, token: file:bob.token}\n", "6:37: this token is also that of another principal"},
		{"good", alice + "    - {id: bob, kind: human, token: file:bob.other}\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CURFEW_TEST_ALICE", canary)
			path := write(t, head+tt.people)
			for name, content := range map[string]string{"bob.token": canary + "\n", "bob.other": "another"} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := config.Load(path, options()); err != nil {
				t.Errorf("without ResolveSecrets: %v", err)
			}
			opts := options()
			opts.ResolveSecrets = true
			_, err := config.Load(path, opts)
			got := fmt.Sprint(err)
			if (err == nil) != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(got, canary) {
				t.Errorf("the secret is repeated: %s", got)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	folder := func(files int, content string) string {
		dir := t.TempDir()
		for i := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.yaml", i)), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	comment := func(bytes int) string { return "#" + strings.Repeat("x", bytes-2) + "\n" }
	tests := []struct{ name, path, want string }{
		{"no such file", filepath.Join(t.TempDir(), "none.yaml"), "no such file"},
		{"a file of more than 1 MiB", write(t, comment(1<<20+1)), "more than 1048576 bytes; split it"},
		{"more than 100 files", folder(101, "# nothing\n"), "has 101 *.yaml files; at most 100 are read"},
		{"more than 8 MiB together", folder(9, comment(1<<20)), "more than 8388608 bytes together"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(tt.path, options())
			if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v (%s), want %q", err, access.KindOf(err), tt.want)
			}
		})
	}
}

func TestMistakesAreBounded(t *testing.T) {
	_, err := config.Load("testdata/check/many-mistakes.yaml", options())
	errs, ok := errors.AsType[*config.Errors](err)
	if !ok || len(errs.Mistakes) != 50 || errs.More != 20 {
		t.Errorf("got %d and %d more, want 50 and 20 more", len(errs.Mistakes), errs.More)
	}
}
