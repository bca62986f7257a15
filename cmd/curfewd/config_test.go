package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A configuration is put in force by hand on a store that a server has used, once, and with a reason.
func TestConfigApprove(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "curfew.yaml")
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
		if got, out, errs := curfewd(t, args...); got != code || !strings.Contains(out+errs, says) {
			t.Fatalf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, says, out, errs)
		}
	}
	run(0, "approve", "config")
	run(2, "reason", "config", "approve", "-c", path)
	run(1, "curfew.db", "config", "approve", "-c", path, "--reason", "x")
	run(0, "serving", "serve", "-c", path)
	run(1, "say why", "config", "approve", "-c", path, "--reason", "")
	run(0, "is in force already", "config", "approve", "-c", path, "--reason", "x")
	write("curfew.yaml", smallConfig+"bundles: {}\n")
	run(0, "put there by hand", "config", "approve", "-c", path, "--reason", "x")
	run(0, "serving", "serve", "-c", path)
}
