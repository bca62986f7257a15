package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
)

// keptAndRead is the text of a configuration after it was kept.
func keptAndRead(t *testing.T, c *config.Config) config.Text {
	t.Helper()
	bytes, err := c.Text.Keep()
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.ReadKept(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A configuration that was kept is the same when it is read again, but for what is the machine's own.
func TestLoadKept(t *testing.T) {
	old := load(t, write(t, settledText))
	here := change(t, settledText, `"127.0.0.1:0"`, `"127.0.0.1:7"`, "sqlite:./curfew.db", "sqlite:./other.db", "max_duration: 4h", "max_duration: 9h")
	got, err := config.LoadKept(keptAndRead(t, old), here, options())
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != old.Digest || got.Digest == here.Digest {
		t.Errorf("the digest is %s, want %s", got.Digest, old.Digest)
	}
	if got.Server != here.Server || got.Store != here.Store {
		t.Errorf("the machine's own is %+v, %+v; want %+v, %+v", got.Server, got.Store, here.Server, here.Store)
	}
	if diff := cmp.Diff(old.Policies, got.Policies); diff != "" {
		t.Errorf("the policies (-want +got):\n%s", diff)
	}
	if w := config.Widened(old, got, nil); len(w) != 0 {
		t.Errorf("the same is wider than itself: %+v", w)
	}
	again, err := config.LoadKept(keptAndRead(t, got), here, options())
	if err != nil || again.Digest != old.Digest {
		t.Errorf("kept once more: %v", err)
	}
}

// Paths of a version that was kept begin in the folder of the files here.
func TestLoadKeptPaths(t *testing.T) {
	old := load(t, write(t, strings.Replace(settledText, "env:CY", "file:tokens/cy", 1)))
	here := load(t, write(t, settledText))
	got, err := config.LoadKept(keptAndRead(t, old), here, options())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got.Principals {
		if want := "file:" + filepath.Join(here.Text.Folder, "tokens/cy"); p.ID.Subject == "cy" && string(p.Token) != want {
			t.Errorf("the token is %s, want %s", p.Token, want)
		}
	}
}

// A secret of a version that is gone is named when the version is to be served, and is not missed when it is looked at.
func TestLoadKeptWithoutASecret(t *testing.T) {
	for _, name := range []string{"ADA", "AGENT", "BO", "DSN", "FAR"} {
		t.Setenv(name, name+"-secret")
	}
	c := load(t, write(t, settledText))
	kept := keptAndRead(t, c)
	if _, err := config.LoadKept(kept, c, options()); err != nil {
		t.Error(err)
	}
	resolving := options()
	resolving.ResolveSecrets = true
	if _, err := config.LoadKept(kept, c, resolving); err == nil || !strings.Contains(err.Error(), "CY") || !strings.Contains(err.Error(), "kept in the store") {
		t.Errorf("without the token of cy: %v", err)
	}
}

// The digest is of what is said, and not of how.
func TestDigest(t *testing.T) {
	c := load(t, write(t, settledText))
	same := map[string]string{
		"a comment":         "# nothing\n" + settledText,
		"quotes":            strings.Replace(settledText, "token: env:CY", `token: "env:CY"`, 1),
		"returns":           strings.ReplaceAll(settledText, "\n", "\r\n"),
		"the machine's own": strings.Replace(settledText, `"127.0.0.1:0"`, `"127.0.0.1:9"`, 1),
	}
	for name, text := range same {
		if got := load(t, write(t, text)); got.Digest != c.Digest {
			t.Errorf("%s: another digest", name)
		}
	}
	for name, text := range map[string]string{
		"a word":             strings.Replace(settledText, "max_duration: 4h", "max_duration: 5h", 1),
		"a text, no integer": strings.Replace(settledText, "{team: a}", `{team: "1"}`, 1),
		"the order":          strings.Replace(settledText, "[admins, eng]", "[eng, admins]", 1),
	} {
		if got := load(t, write(t, text)); got.Digest == c.Digest {
			t.Errorf("%s: the same digest", name)
		}
	}
	folder := t.TempDir()
	head, policies, _ := strings.Cut(settledText, "policies:")
	for name, text := range map[string]string{"10-all.yaml": head, "20-policies.yaml": "policies:" + policies} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := load(t, folder); got.Digest != c.Digest || len(got.Text.Files) != 2 || got.Text.Files[0].Name != "10-all.yaml" {
		t.Errorf("in two files: %s, %+v", got.Digest, got.Text)
	}
}

// What is no text that was kept is refused.
func TestReadKeptRefuses(t *testing.T) {
	for _, text := range []string{"", "{", `[1]`, `[{"name":"x","content":"no base64"}]`} {
		if _, err := config.ReadKept([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	here := load(t, write(t, settledText))
	_, err := config.LoadKept(config.Text{Files: []config.File{{Name: "x.yaml", Content: "policies: ["}}}, here, options())
	if err == nil || access.KindOf(err) == access.KindNotFound {
		t.Errorf("what is no YAML: %v", err)
	}
}
