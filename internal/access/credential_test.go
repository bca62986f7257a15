package access_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestCredentialsSetNoVariableThatRunsSomething(t *testing.T) {
	for _, name := range []string{"PGPASSWORD", "MYSQL_PWD", "MONGODB_URI", "REDISCLI_AUTH", "KUBECONFIG", "TARGET_PASSWORD_FILE"} {
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
