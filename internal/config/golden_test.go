package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// canary stands in the test data wherever a secret could be written by mistake. No output may have it.
const canary = "hunter2"

// TestCheck reads every file and folder of testdata/check and compares what is said of it with the golden file beside
// it. A golden file that is empty means that the configuration is good.
func TestCheck(t *testing.T) {
	cases := checkCases(t)
	if len(cases) < 60 {
		t.Errorf("%d cases; some of testdata/check is gone", len(cases))
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			cfg, err := config.Load(path, options())
			got := ""
			if err != nil {
				got = filepath.ToSlash(err.Error()) + "\n"
			}
			if (cfg == nil) != (err != nil) {
				t.Errorf("Load returned %v with error %v", cfg, err)
			}
			if good := strings.HasPrefix(filepath.Base(path), "good-"); good != (err == nil) {
				t.Errorf("is the file good? %v, says its name; Load says %v", good, err)
			}
			if strings.Contains(got, canary) {
				t.Errorf("a planted secret is repeated:\n%s", got)
			}
			compareGolden(t, strings.TrimSuffix(path, ".yaml")+".golden", got)
		})
	}
}

// checkCases lists the files and folders of testdata/check.
func checkCases(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "check"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []string
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".yaml") {
			cases = append(cases, filepath.Join("testdata", "check", e.Name()))
		}
	}
	return cases
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update and read what it writes", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("what is said has changed (-want +got):\n%s", diff)
	}
}

// TestMistakesAreSorted holds the order in which people work through them.
func TestMistakesAreSorted(t *testing.T) {
	for _, path := range checkCases(t) {
		_, err := config.Load(path, options())
		errs, ok := errors.AsType[*config.Errors](err)
		if !ok {
			continue
		}
		last := config.Mistake{}
		for _, m := range errs.Mistakes {
			if m.File < last.File || m.File == last.File && (m.Line < last.Line || m.Line == last.Line && m.Column < last.Column) {
				t.Errorf("%s:%d:%d comes after %s:%d:%d", m.File, m.Line, m.Column, last.File, last.Line, last.Column)
			}
			last = m
		}
	}
}
