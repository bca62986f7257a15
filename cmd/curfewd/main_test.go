package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
)

// curfewd runs the program, and stops it as soon as it serves.
func curfewd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out strings.Builder
	errs := &stopper{stop: cancel}
	code = run(ctx, args, &out, errs)
	return code, out.String(), errs.String()
}

// stopper stops the program when it says that it serves.
type stopper struct {
	mu   sync.Mutex
	said strings.Builder
	stop context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(string(p), `"msg":"serving"`) {
		s.stop()
	}
	return s.said.Write(p)
}

func (s *stopper) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// Every configuration that the documentation shows goes through check.
func TestDocumentedConfigurationsAreGood(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	pages, err := filepath.Glob("../../docs/connectors/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = slices.DeleteFunc(pages, func(page string) bool { return filepath.Base(page) == "CONTRIBUTING.md" })
	for _, page := range append(pages, "../../docs/configuration.md", "../../docs/keys.md", "../../docs/agents.md", "../../docs/scim.md", "../../docs/directory.md", "../../docs/workloads.md", "../../docs/signin.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s shows no configuration", page)
		}
		for _, block := range found {
			shown := string(block[1])
			switch {
			case strings.HasPrefix(shown, "connectors:"):
				// A connector's page shows its own part.
				shown = smallConfig + shown
			case strings.HasPrefix(shown, "policies:"):
				// A page that has shown a whole configuration may show other policies for it.
				before, _, _ := strings.Cut(string(found[0][1]), "\npolicies:")
				shown = before + "\n" + shown
			}
			if strings.HasPrefix(shown, "server:") && !strings.Contains(shown, "store:") {
				// The page of the keys shows nothing else.
				_, rest, _ := strings.Cut(smallConfig, "server: {listen: \"127.0.0.1:0\"}\n")
				shown += rest
			}
			path := filepath.Join(t.TempDir(), "curfew.yaml")
			if err := os.WriteFile(path, []byte(shown), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, out, errs := curfewd(t, "check", "-c", path); code != 0 || !strings.Contains(out, "is good") {
				t.Errorf("%s: exit %d\n%s%s", page, code, out, errs)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "serve "},
		{[]string{"serve", "--help"}, 0, "--config"},
		{nil, 0, "Usage:"},
		{[]string{"check"}, 2, "config"},
		{[]string{"check", "-c"}, 2, "-c"},
		{[]string{"check", "-c", "x", "y"}, 2, "y"},
		{[]string{"sreve"}, 2, "serve"},
		{[]string{"serve", "--bogus"}, 2, "--bogus"},
		{[]string{"dev", "-o", "xml"}, 2, "xml"},
		{[]string{"check", "-c", "/does/not/exist.yaml"}, 1, "/does/not/exist.yaml"},
	} {
		code, out, errs := curfewd(t, c.args...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(c.args, " "), code, c.code, c.says, out, errs)
		}
	}
}

// A configuration without a witness is good, and check says what is missing from it.
func TestCheckWarnsWithoutAWitness(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "curfew.yaml")
	for _, c := range []struct{ audit, says string }{
		{"", "WARNING: the audit log has no witness"},
		{"audit: {witnesses: [{name: nas, file: elsewhere/checkpoints}]}\n", "on the file system of the store"},
	} {
		if err := os.MkdirAll(filepath.Join(folder, "elsewhere"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(smallConfig+c.audit), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := curfewd(t, "check", "-c", path); code != 0 || strings.Count(errs, "WARNING") != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("with %q: exit %d, not a warning with %q:\n%s", c.audit, code, c.says, errs)
		}
	}
}

// What check calls the digest is that of the version which the files would be: administrators hold it against what waits.
func TestCheckShowsTheDigestOfTheVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curfew.yaml")
	if err := os.WriteFile(path, []byte(smallConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := curfewd(t, "check", "-c", path); code != 0 || !strings.Contains(out, "digest: "+c.Digest+")") {
		t.Errorf("exit %d, and not the digest %s:\n%s%s", code, c.Digest, out, errs)
	}
}

const smallConfig = `
server: {listen: "127.0.0.1:0"}
store: "sqlite:curfew.db"
directory:
  static:
    - {id: alice, kind: human, groups: [platform], token: "file:token"}
roles: {admin: ["group:platform"]}
`

func TestServeStartsAndStops(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"curfew.yaml": smallConfig, "token": "a-token-that-is-secret"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(folder, "curfew.yaml")
	for range 2 {
		code, out, errs := curfewd(t, "serve", "-c", config)
		if code != 0 || !strings.Contains(errs, `"msg":"serving"`) {
			t.Fatalf("exit %d:\n%s%s", code, out, errs)
		}
		if strings.Contains(out+errs, "a-token-that-is-secret") {
			t.Error("the token is in the log")
		}
	}
	// The store without its key opens nothing, and no new key is made up for it.
	if err := os.Remove(filepath.Join(folder, "curfew.key")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := curfewd(t, "serve", "-c", config); code != 1 || !strings.Contains(errs, "curfew.key") {
		t.Errorf("without its key: exit %d: %s", code, errs)
	}
	if err := os.Remove(filepath.Join(folder, "token")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := curfewd(t, "serve", "-c", config); code != 1 || !strings.Contains(errs, "token") {
		t.Errorf("without a token: exit %d: %s", code, errs)
	}
}

// A key file that serve would refuse is refused by check, and one that is yet to be made is not.
func TestCheckLooksAtTheKeyFile(t *testing.T) {
	folder := t.TempDir()
	path, key := filepath.Join(folder, "curfew.yaml"), filepath.Join(folder, "curfew.key")
	if err := os.WriteFile(path, []byte(smallConfig+"connectors: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := curfewd(t, "check", "-c", path); code != 0 {
		t.Errorf("without a key file: exit %d\n%s%s", code, out, errs)
	}
	if err := os.WriteFile(key, []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := curfewd(t, "check", "-c", path); code != 1 || !strings.Contains(errs, "chmod 600") {
		t.Errorf("with a key file that others can read: exit %d\n%s", code, errs)
	}
}
