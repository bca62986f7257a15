package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
)

// TestStoreBehindReference follows env:NAME and file:PATH to an address.
func TestStoreBehindReference(t *testing.T) {
	folder := t.TempDir()
	content, err := os.ReadFile("testdata/check/good-store-reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		address string
		want    config.Store
		mistake string
	}{
		{address: "postgres://curfew_store:hunter2@db.example/curfew", want: config.Store{URL: "postgres://curfew_store:hunter2@db.example/curfew"}},
		{address: "postgresql://db.example/curfew?password=hunter2", want: config.Store{URL: "postgresql://db.example/curfew?password=hunter2"}},
		{address: "sqlite:/var/lib/curfew.db", want: config.Store{Path: "/var/lib/curfew.db"}},
		{address: "sqlite:./curfew.db", want: config.Store{Path: filepath.Join(folder, "curfew.db")}},
		{address: "sqlite::memory:", mistake: "wants the path of a file"},
		{address: "hunter2", mistake: "not of a known kind"},
		{address: "env:HUNTER2_hunter2", mistake: "not of a known kind"},
		{address: "postgres:hunter2", mistake: "cannot be read"},
		{address: "postgres://curfew:hunter2%zz@db.example", mistake: "cannot be read"},
		{address: "", mistake: "empty or not set"},
	}
	for _, name := range []string{"env:CURFEW_STORE", "file:store.txt"} {
		path := filepath.Join(folder, "curfew.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(string(content), "env:CURFEW_STORE", name, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			t.Setenv("CURFEW_STORE", test.address)
			if err := os.WriteFile(filepath.Join(folder, "store.txt"), []byte(test.address+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := load(t, path) // which does not look behind the reference
			if cfg.Store.Ref == "" || strings.Contains(fmt.Sprintf("%+v", cfg.Store), canary) {
				t.Errorf("the store is %+v; want a reference and nothing that it leads to", cfg.Store)
			}
			got, err := cfg.Store.Resolve()
			if got != test.want || (err == nil) != (test.mistake == "") {
				t.Errorf("%s of %q: got %+v, %v; want %+v", name, test.address, got, err, test.want)
			}
			serving := options()
			serving.ResolveSecrets = true
			_, said := config.Load(path, serving)
			for _, err := range []error{err, said} {
				if test.mistake != "" && !strings.Contains(fmt.Sprint(err), test.mistake) || strings.Contains(fmt.Sprint(err), canary) {
					t.Errorf("%s of %q: got %v; want %q and no secret", name, test.address, err, test.mistake)
				}
			}
		}
	}
	written := config.Store{Path: "/var/lib/curfew.db"}
	if got, err := written.Resolve(); got != written || err != nil {
		t.Errorf("without a reference: %+v, %v", got, err)
	}
	if _, err := (config.Store{Ref: secret.Ref("hunter2")}).Resolve(); err == nil {
		t.Error("a literal is followed")
	}
}
