package config_test

import (
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/config"
)

// secretForms are ways in which people put a secret where a reference belongs. %s is the secret.
var secretForms = []string{
	"%s", "'%s'", `"%s"`, "postgres://curfew:%s@db.example/orders", "[%s]", "{password: %s}", "{%s: x}", "[%s, env:NAME]",
	"|\n        %s\n        second line %s", ">-\n        folded\n        %s", "\"two\n        %s lines\"", "plain\n        %s and more",
	"%s # %s", "&anchor %s", "!tag %s", "*%s", "%s: nested", "\"%s", "'%s''%s'", "env:%s!", "-%s", "{%s", "file:\n        %s",
}

// TestSecretsAreNeverRepeated writes a secret into every field that takes one, in every form, beside a mistake of another
// kind on the same line or the next, and demands that no message and no excerpt has it.
func TestSecretsAreNeverRepeated(t *testing.T) {
	templates := []string{
		"directory: {static: [{id: alice, token: %s, knid: human}]}\n",
		"directory:\n  static:\n    - id: alice\n      token: %s\n      knid: human\n",
		"directory:\n  static:\n    - knid: human\n      tokn: %s\n",
		"connectors:\n  orders-db:\n      type: standin\n      dsn: %s\n      iterations: many\n",
		"connectors:\n  orders-db:\n      type: standing\n      dsn: %s\n",
		"connectors: {orders-db: {dsn: %s, type: standin, observer: x}}\n",
		"connectors:\n  orders-db:\n      type: standin\n      observer: {dsn: %s}\n",
		"connectors:\n  orders-db:\n      type: standin\n      observer: %s\n",
		"connectors:\n  orders-db: %s\n",
		"connectors:\n  orders-db:\n      type: standin\n      observer:\n         dsn: |\n  ?          %s\n             %s 2\n",
		"connectors:\n  orders-db:\n      type: standin\n      labels:\n         ? %s\n",
		"server: {key: {passphrase: %s, x: y}}\n",
		"store: %s\n",
		"store: %s\nserver: {kye: x}\n",
		"{store: %s, server: {kye: x}}\n",
		"store: postgres://curfew:%s@db.example/curfew\n",
	}
	for _, template := range templates {
		for _, form := range secretForms {
			content := strings.ReplaceAll(template, "%s", strings.ReplaceAll(form, "%s", canary))
			_, err := config.Load(write(t, content), options())
			if err == nil {
				t.Errorf("accepted:\n%s", content)
				continue
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("repeated:\n%s\nfor\n%s", err, content)
			}
		}
	}
}

// TestExcerptsOfDamagedFilesHideSecrets damages a configuration with literal secrets at random places: whatever is said
// of it, the secrets are not in it.
func TestExcerptsOfDamagedFilesHideSecrets(t *testing.T) {
	const content = `store: sqlite:./curfew.db
directory:
  static:
    - {id: alice, kind: human, groups: [payments], token: hunter2}
    - id: bob
      kind: human
      token: "hunter2"
connectors:
  orders-db:
    type: standin
    dsn: 'postgres://curfew:hunter2@db.example/orders'
    observer:
      dsn: |
        hunter2
        hunter2
`
	path := write(t, "")
	rapid.Check(t, func(t *rapid.T) {
		damaged := content
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			at := rapid.IntRange(0, len(damaged)).Draw(t, "at")
			// Not within a secret: half a secret is not what is searched for.
			if i := strings.LastIndex(damaged[:at], canary[:1]); i >= 0 && at-i < len(canary) {
				continue
			}
			junk := rapid.SampledFrom([]string{"", " ", "\n", ":", ": ", "- ", "{", "}", "[", "]", "'", `"`, "|", ">", "#", " #", ",", "&a ", "*a ", "!t ", "%", "?", "\t", "x", "…"}).Draw(t, "junk")
			cut := rapid.IntRange(0, 2).Draw(t, "cut")
			if strings.ContainsAny(damaged[at:min(len(damaged), at+cut)], canary) {
				cut = 0
			}
			damaged = damaged[:at] + junk + damaged[min(len(damaged), at+cut):]
		}
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, options())
		if err == nil {
			return
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if strings.Contains(line, canary) {
				t.Fatalf("repeated: %s\nof\n%s", line, damaged)
			}
		}
	})
}
