package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestCredentialsSetNoVariableThatRunsSomething(t *testing.T) {
	for _, name := range []string{"PGPASSWORD", "MYSQL_PWD", "MONGODB_URI", "REDISCLI_AUTH", "TARGET_PASSWORD_FILE"} {
		for _, c := range []access.Credential{{Env: map[string]string{name: "x"}}, {Files: map[string]string{name: "x\x00"}}} {
			if err := c.CheckVariables(); err != nil {
				t.Errorf("%s is refused: %v", name, err)
			}
		}
	}
	for _, name := range []string{
		"", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PATH", "BASH_ENV", "ENV", "IFS", "HOME", "SHELL", "EDITOR", "PAGER",
		"NODE_OPTIONS", "PYTHONPATH", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "PGSERVICEFILE", "PGPASSFILE", "CURFEW_URL", "CURFEW_TOKEN",
		"pgpassword", "Path", "PGPASSWORD ", "A=1; id #", "1A", "A\nB", "A\x00B", "TARGET_", "TARGET_x", "TARGET_A/../B", "TARGET_" + strings.Repeat("A", 65),
	} {
		for _, c := range []access.Credential{{Env: map[string]string{name: "canary"}}, {Files: map[string]string{name: "canary"}}} {
			if err := c.CheckVariables(); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if err := (access.Credential{Env: map[string]string{"PGPASSWORD": "canary\x00"}}).CheckVariables(); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("NUL in a value: %v", err)
	}
}

// kubectl runs what its configuration says: that of a credential logs in with a token, and comes as a file whose content is known.
func TestKubeconfigsThatRunSomething(t *testing.T) {
	const plain = `{
  "apiVersion": "v1", "kind": "Config", "current-context": "curfew",
  "clusters": [{"name": "cluster", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "TUlJ"}}],
  "users": [{"name": "grant", "user": {"token": "canary"}}],
  "contexts": [{"name": "curfew", "context": {"cluster": "cluster", "user": "grant", "namespace": "orders"}}]
}`
	if err := (access.Credential{Files: map[string]string{"KUBECONFIG": plain}}).CheckVariables(); err != nil {
		t.Error(err)
	}
	const runs = `"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", "id"]}`
	for name, c := range map[string]access.Credential{
		"a program":              {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"token": "canary"`, runs, 1)}},
		"a program and a token":  {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"token": "canary"`, `"token": "canary", `+runs, 1)}},
		"a program, overwritten": {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"user": {`, `"user": {`+runs+`}, "user": {`, 1)}},
		"a provider":             {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"token": "canary"`, `"auth-provider": {"name": "gcp"}`, 1)}},
		"a proxy":                {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"server":`, `"proxy-url": "http://evil.example", "server":`, 1)}},
		"a file":                 {Files: map[string]string{"KUBECONFIG": strings.Replace(plain, `"token": "canary"`, `"tokenFile": "/etc/passwd"`, 1)}},
		"another document":       {Files: map[string]string{"KUBECONFIG": plain + plain}},
		"YAML":                   {Files: map[string]string{"KUBECONFIG": "users: [{name: grant, user: {exec: {command: sh}}}]"}},
		"a file of somebody's":   {Env: map[string]string{"KUBECONFIG": "/tmp/canary"}},
	} {
		if err := c.CheckVariables(); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What lets somebody in is secret, and where to and as whom is not: taking that out would leave nothing to read.
func TestSecretsOfACredential(t *testing.T) {
	for name, test := range map[string]struct {
		cred access.Credential
		want []string
	}{
		"a database": {access.Credential{
			Username: "u_1", Password: "hunter2hunter2", URI: "postgres://u_1:hunter2hunter2@127.0.0.1:5432/orders",
			Env: map[string]string{"PGHOST": "127.0.0.1", "PGPORT": "5432", "PGUSER": "u_1", "PGPASSWORD": "hunter2hunter2", "PGSSLMODE": "disable"},
		}, []string{"hunter2hunter2", "postgres://u_1:hunter2hunter2@127.0.0.1:5432/orders", "hunter2hunter2"}},
		"a cluster": {access.Credential{
			Username: "u_1", Password: "token-token", URI: "https://127.0.0.1:6443", Files: map[string]string{"KUBECONFIG": `{"server": "https://127.0.0.1:6443", "token": "token-token"}`},
		}, []string{"token-token", `{"server": "https://127.0.0.1:6443", "token": "token-token"}`}},
		"a file whose secret is not named": {access.Credential{
			Files: map[string]string{"TARGET_KEY": "key: '0123456789abcdef'\nport: 22"},
		}, []string{"key: '0123456789abcdef'\nport: 22", "0123456789abcdef"}},
		"an address that cannot be read": {access.Credential{URI: "://u:p%"}, []string{"://u:p%"}},
		"a variable of a connector's own": {access.Credential{
			Username: "u_1", Env: map[string]string{"TARGET_USER": "u_1", "TARGET_SESSION": "s-1"},
		}, []string{"s-1"}},
		"nothing": {},
	} {
		if got := test.cred.Secrets(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
