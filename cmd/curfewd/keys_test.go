package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of docs/keys.md, on a store that no server has open.
func TestDocumentedKeys(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"curfew.yaml": smallConfig, "token": "a-token-that-is-secret", "passphrase": "correct horse battery staple",
		"next.yaml": strings.Replace(smallConfig, "server: {", "server: {key: {passphrase: file:passphrase}, ", 1),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(code int, says string, args ...string) string {
		t.Helper()
		got, out, errs := curfewd(t, args...)
		if got != code || !strings.Contains(out+errs, says) {
			t.Fatalf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, says, out, errs)
		}
		return out
	}
	config := []string{"-c", filepath.Join(folder, "curfew.yaml")}
	status := append([]string{"keys", "status"}, config...)
	run(1, "curfew.db", status...)
	run(0, "serving", append([]string{"serve"}, config...)...)
	run(0, "sealing", status...)
	run(0, "Everything is sealed under generation 2", documented(t, "../../docs/keys.md", "rotate", folder)...)
	var list struct {
		Items []struct {
			Generation int
			State      string
			Wrapper    string
		}
	}
	if err := json.Unmarshal([]byte(run(0, "", append(status, "-o", "json")...)), &list); err != nil || len(list.Items) != 2 {
		t.Fatalf("%v: %+v", err, list)
	}
	if list.Items[0].State != "verifying" || list.Items[1].State != "sealing" || list.Items[1].Generation != 2 {
		t.Errorf("the keys are %+v", list.Items)
	}
	run(0, `"passphrase"`, documented(t, "../../docs/keys.md", "rewrap", folder)...)
	run(1, "rewrap", append([]string{"serve"}, config...)...)
	run(0, "serving", "serve", "-c", filepath.Join(folder, "next.yaml"))
	run(0, "passphrase", "keys", "status", "-c", filepath.Join(folder, "next.yaml"))
}

func TestKeysUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"keys"}, 0, "rotate"},
		{[]string{"keys", "rotate"}, 2, "config"},
		{[]string{"keys", "rewrap", "-c", "x"}, 2, "to"},
		{[]string{"keys", "status", "-c", "x", "-o", "xml"}, 2, "xml"},
		{[]string{"keys", "rotate", "--help"}, 0, "killed"},
		{[]string{"keys", "status", "-c", "/does/not/exist.yaml"}, 1, "/does/not/exist.yaml"},
	} {
		code, out, errs := curfewd(t, c.args...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("curfewd %s: exit %d, want %d and %q:\n%s%s", strings.Join(c.args, " "), code, c.code, c.says, out, errs)
		}
	}
}
