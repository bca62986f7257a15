package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented finds the command that a page shows under a marker, for an installation in a folder.
func documented(t *testing.T, page, marker, folder string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("<!-- run: " + marker + " -->\\s+```sh\\s+curfewd ([^\n]+)").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s shows no command %q", page, marker)
	}
	command := strings.NewReplacer("/etc/curfew/", folder+"/", "/var/backups/", folder+"/").Replace(string(m[1]))
	return strings.Fields(command)
}

// The commands of the documentation, in the order in which an operator who has lost the store needs them.
func TestDocumentedRestore(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("curfew.yaml", smallConfig)
	write("token", "a-token-that-is-secret")
	run := func(code int, says string, args ...string) {
		t.Helper()
		got, out, errs := curfewd(t, args...)
		if got != code || !strings.Contains(out+errs, says) {
			t.Fatalf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, says, out, errs)
		}
		if strings.Contains(out+errs, "a-token-that-is-secret") {
			t.Error("the token is shown")
		}
	}
	serve := []string{"serve", "-c", filepath.Join(folder, "curfew.yaml")}
	run(0, "serving", serve...)

	// Nothing but the store is needed for a backup.
	if err := os.Rename(filepath.Join(folder, "token"), filepath.Join(folder, "away")); err != nil {
		t.Fatal(err)
	}
	backup := documented(t, "../../docs/store.md", "backup", folder)
	run(0, "The key file is not in it: "+filepath.Join(folder, "curfew.key"), backup...)
	run(1, "do not overwrite", backup...)
	write("token", "a-token-that-is-secret")

	restore := documented(t, "../../docs/operations.md", "restore", folder)
	run(1, "not empty", restore...)
	if err := os.Remove(filepath.Join(folder, "curfew.db")); err != nil {
		t.Fatal(err)
	}
	run(0, "1 bearer tokens are void", restore...)
	run(0, `"tokens":1`, serve...)
	write("token", "another-token")
	run(0, "serving", serve...)
	run(0, "1 bearer tokens are void", documented(t, "../../docs/operations.md", "accept", folder)...)
	run(0, `"tokens":1`, serve...)

	if again := documented(t, "../../docs/store.md", "restore", folder); strings.Join(again, " ") != strings.Join(restore, " ") {
		t.Errorf("the pages show %q and %q", again, restore)
	}
}

func TestRestoreUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"backup", "-c", "x"}, 2, "to"},
		{[]string{"restore", "-c", "x"}, 2, "as-is"},
		{[]string{"restore", "-c", "x", "--from", "y", "--as-is"}, 2, "as-is"},
		{[]string{"restore", "--help"}, 0, "tokens"},
		{[]string{"backup", "--help"}, 0, "key file"},
	} {
		code, out, errs := curfewd(t, c.args...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(c.args, " "), code, c.code, c.says, out, errs)
		}
	}
}
