package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lessonsIn writes a module with one test and the list, and reads the list there.
func lessonsIn(t *testing.T, list string) (out string, held int, err error) {
	t.Helper()
	module := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":        "module example.com/m\n\ngo 1.26\n",
		"a/a_test.go":   "package a\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {}\n\nfunc FuzzTwo(f *testing.F) {}\n",
		lessonsFile:     list,
		"b/b_test.go":   "package b\n\nfunc broken( {\n",
		"docs/other.md": "1. **Not read.**\n",
	} {
		path := filepath.Join(module, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(module)
	var b strings.Builder
	held, err = lessons(&b)
	return b.String(), held, err
}

func TestLessonsAreHeld(t *testing.T) {
	out, held, err := lessonsIn(t, "# Title\n\nWords.\n\n1. **First.** It happened.\n   - `a.TestOne` the case of it\n   - `a.FuzzTwo`\n   - not built yet: Later (the rest)\n2. **Second.** So did this.\n   - not built yet: Later\n")
	if err != nil || held != 1 {
		t.Errorf("%d are held, want 1: %v", held, err)
	}
	want := " 1. First.\n      a.TestOne\n      a.FuzzTwo\n      not built yet: Later (the rest)\n 2. Second.\n      not built yet: Later\n2 lessons, 1 held by tests\n"
	if out != want {
		t.Errorf("it prints\n%s\nwant\n%s", out, want)
	}
}

func TestLessonsThatAreNotHeldFail(t *testing.T) {
	for name, test := range map[string]struct{ list, want string }{
		"no test":                {"1. **First.** x\n", "lesson 1 has no test"},
		"a test that is gone":    {"1. **First.** x\n   - `a.TestThree`\n", "a.TestThree is not there"},
		"part of a name":         {"1. **First.** x\n   - `a.TestOn`\n", "a.TestOn is not there"},
		"a package that is gone": {"1. **First.** x\n   - `c.TestOne`\n", "list the tests of ./c"},
		"a broken package":       {"1. **First.** x\n   - `b.TestOne`\n", "list the tests of ./b"},
		"no milestone":           {"1. **First.** x\n   - not built yet:\n", "lessons.md:2"},
		"words":                  {"1. **First.** x\n   - somebody looked\n", "lessons.md:2"},
		"a bullet of no lesson":  {"   - `a.TestOne`\n", "lessons.md:1"},
		"a number left out":      {"1. **First.** x\n   - `a.TestOne`\n3. **Third.** x\n   - `a.TestOne`\n", "lessons.md:3: the lesson has number 3, want 2"},
		"nothing":                {"# Title\n", "has no lessons"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := lessonsIn(t, test.list); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
