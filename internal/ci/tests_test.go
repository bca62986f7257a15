package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each kind of result is counted as what it is, a test that crashes included, and nothing that was skipped is hidden.
func TestCountsAreTrue(t *testing.T) {
	module := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":      "module example.com/m\n\ngo 1.26\n",
		"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {}\n\nfunc TestTwo(t *testing.T) { t.Run(\"sub\", func(t *testing.T) {}) }\n",
		"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestSkipped(t *testing.T) { t.Skip(\"for a reason\") }\n",
		"c/c_test.go": "package c\n\nimport \"testing\"\n\nfunc TestFails(t *testing.T) { t.Error(\"it is wrong\") }\n",
		"d/d_test.go": "package d\n\nimport \"testing\"\n\nfunc TestPanics(t *testing.T) { panic(\"it is broken\") }\n",
		"e/e_test.go": "package e\n\nimport \"testing\"\n\nfunc TestDoesNotCompile(t *testing.T) { return 1 }\n",
		"f/f.go":      "package f\n",
		"g/g_test.go": "package g\n\nimport \"testing\"\n\nfunc TestDies(t *testing.T) { go panic(\"it dies elsewhere\"); select {} }\n",
	} {
		path := filepath.Join(module, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(module)
	for pkg, want := range map[string]struct {
		passed, failed, skipped int
		says                    string
	}{
		"./a": {passed: 3}, "./b": {skipped: 1}, "./c": {failed: 1, says: "it is wrong"}, "./d": {failed: 1, says: "it is broken"},
		"./e": {failed: 1, says: "too many return values"}, "./f": {},
		"./g": {failed: 1, says: "it dies elsewhere"},
	} {
		var out strings.Builder
		c, err := goTest(context.Background(), &out, []string{"test", "-json", pkg})
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
		}
		if c.passed != want.passed || c.failed != want.failed || len(c.skips) != want.skipped {
			t.Errorf("%s: %d passed, %d failed, %d skipped: %s", pkg, c.passed, c.failed, len(c.skips), out.String())
		}
		if !strings.Contains(out.String(), want.says) {
			t.Errorf("%s does not say %q:\n%s", pkg, want.says, out.String())
		}
	}
}

// What tests leave in the folder for temporary files goes with it.
func TestTemporaryFilesAreRemoved(t *testing.T) {
	module := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"a_test.go": "package m\n\nimport (\n\"os\"\n\"testing\"\n)\n\n" +
			"func TestLeaves(t *testing.T) { t.Error(os.WriteFile(os.TempDir()+\"/left\", nil, 0o600), \"folder:\", os.TempDir(), \":\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(module)
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	if _, err := goTest(t.Context(), &out, []string{"test", "-json", "."}); err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(out.String(), "<nil> folder: ")
	folder, _, found := strings.Cut(after, " :")
	if !found {
		t.Fatalf("the test did not write its file:\n%s", out.String())
	}
	if _, err := os.Stat(folder); folder != os.TempDir() && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder %s is left: %v", folder, err)
	}
}

func TestTheLongestBeginFirst(t *testing.T) {
	t.Chdir("../..")
	all, err := packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sorted := longestFirst(all)
	for i, suffix := range longest {
		if !strings.HasSuffix(sorted[i], suffix) {
			t.Errorf("number %d to begin is %s, want %s", i, sorted[i], suffix)
		}
	}
	if rest := sorted[len(longest):]; len(sorted) != len(all) || !slices.IsSorted(rest) {
		t.Errorf("of %d packages %d begin, at last %q", len(all), len(sorted), rest)
	}
}

func TestATierThatDoesNotPassFails(t *testing.T) {
	if err := run(context.Background(), "unknown", io.Discard); err == nil {
		t.Error("an unknown tier passed")
	}
}
