package curfew

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const threatModel = "docs/threat-model.md"

// testReference is a test as the documents name it: the folder of its package, and its function.
var testReference = regexp.MustCompile("`([\\w./-]+)\\.((?:Test|Fuzz)\\w+)`")

// TestThreatModelNamesItsTests holds each mitigation of the threat model to the tests that hold it: every line of a table
// whose last column is headed Test names some there, and all of them exist.
func TestThreatModelNamesItsTests(t *testing.T) {
	text, err := os.ReadFile(threatModel)
	if err != nil {
		t.Fatal(err)
	}
	lines, complaints := mitigations(string(text), testFunctions(t))
	for _, c := range complaints {
		t.Errorf("%s:%s", threatModel, c)
	}
	if lines < 50 {
		t.Errorf("%s has %d mitigations: its tables are not read", threatModel, lines)
	}
}

// mitigations counts the lines of the tables that name tests, and says what is wrong with them.
func mitigations(text string, there map[string][]string) (n int, complaints []string) {
	columns := 0 // of the table that this line belongs to, if its last column names tests
	for i, line := range strings.Split(text, "\n") {
		cells := cellsOf(line)
		switch {
		case len(cells) == 0:
			columns = 0
			continue
		case cells[len(cells)-1] == "Test":
			columns = len(cells)
			continue
		case columns == 0 || strings.Trim(line, "|-: ") == "":
			continue
		}
		n++
		references := testReference.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != columns || len(references) == 0 {
			complaints = append(complaints, fmt.Sprintf("%d: the mitigation names no test in its last column, as in `internal/engine.TestName`", i+1))
		}
		for _, r := range references {
			if !slices.Contains(there[r[1]], r[2]) {
				complaints = append(complaints, fmt.Sprintf("%d: the test %s.%s is not there", i+1, r[1], r[2]))
			}
		}
	}
	return n, complaints
}

// cellsOf takes a line of a table apart; of any other line it makes none.
func cellsOf(line string) (cells []string) {
	inside, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !ok {
		return nil
	}
	for _, cell := range strings.Split(strings.TrimSuffix(inside, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

// testFunctions lists the tests of each package by its folder, whatever tags they are built with.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	there := map[string][]string{}
	walk(t, func(file string) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Dir(filepath.ToSlash(file))
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[pkg] = append(there[pkg], fn.Name.Name)
			}
		}
	})
	return there
}

func TestMitigationsWithoutATestAreFound(t *testing.T) {
	there := map[string][]string{"internal/a": {"TestOne"}}
	const table = "\n| Attempt | Against | Test |\n|---|---|---|\n"
	for name, c := range map[string]struct {
		text string
		n    int
		want []string
	}{
		"held":               {table + "| x | y | `internal/a.TestOne` |\n", 1, nil},
		"no test":            {table + "| x | y | by hand |\n", 1, []string{"4: the mitigation names no test"}},
		"a test that is not": {table + "| x | y | `internal/a.TestOne`, `internal/a.TestTwo` |\n", 1, []string{"4: the test internal/a.TestTwo is not there"}},
		"part of a name":     {table + "| x | y | `internal/a.TestOn` |\n", 1, []string{"4: the test internal/a.TestOn is not there"}},
		"in another column":  {table + "| x | `internal/a.TestOne` | y |\n", 1, []string{"4: the mitigation names no test"}},
		"a column is gone":   {table + "| x | `internal/a.TestOne` |\n", 1, []string{"4: the mitigation names no test"}},
		"another table":      {"| Asset | Where |\n|---|---|\n| x | y |\n", 0, nil},
		"behind the table":   {table + "| x | y | `internal/a.TestOne` |\n\n| Asset | Where |\n|---|---|\n| x | y |\n", 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n, got := mitigations(c.text, there)
			if n != c.n || !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("%d mitigations, %q; want %d, %q", n, got, c.n, c.want)
			}
		})
	}
}
