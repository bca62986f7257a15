// Package curfew holds nothing but the test of its own structure.
package curfew

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/curfewhq/curfew/"

// floors is the house (ARCHITECTURE.md): a package imports from lower floors only. A pattern that ends in "/*" is a
// corridor of rooms, none of which imports its neighbour.
var floors = []struct {
	floor   int
	pattern string
}{
	{0, "internal/access"},
	{0, "internal/coredump"},
	{0, "internal/nearmiss"},
	{0, "internal/onethread"},
	{0, "internal/planted"},
	{0, "internal/syncbuf"},
	{1, "internal/policy"},
	{1, "internal/audit"},
	{1, "internal/evidence"},
	{1, "internal/secret"},
	{1, "internal/journal"},
	{1, "internal/outbound"},
	{1, "internal/page"},
	{1, "internal/ratelimit"},
	{1, "internal/scim/resource"},
	{1, "internal/ldapdial"},
	{2, "internal/evidence/pack"},
	{2, "internal/connector"},
	{2, "internal/store"},
	{2, "internal/identity"},
	{3, "internal/store/sqlstore"},
	{3, "internal/store/storetest"},
	{3, "internal/store/memstore"},
	{3, "internal/engine"},
	{3, "internal/directory"},
	{3, "internal/delivery"},
	{3, "internal/signin"},
	{3, "internal/changecontrol"},
	{3, "internal/secret/*"},
	{3, "internal/identity/*"},
	{3, "internal/connector/*"},
	{4, "internal/connector/connectortest"},
	{4, "internal/auditor"},
	{4, "internal/enginetest"},
	{4, "internal/telemetry"},
	{4, "internal/delivery/*"},
	{4, "internal/oauth"},
	{4, "internal/passkey"},
	{4, "internal/web"},
	{4, "internal/api"},
	{4, "internal/api/*"},
	{4, "internal/scim"},
	{5, "internal/config"},
	{5, "internal/all"},
	{5, "internal/localpeer"},
	{5, "internal/relaytest"},
	{6, "internal/server"},
	{7, "internal/dev"},
	{7, "internal/curfewdtest"},
	{7, "internal/crash"},
	{7, "internal/faults"},
	{7, "internal/canary"},
	{7, "internal/journey"},
	{7, "model"},
	{7, "internal/simulation"},
	{8, "internal/ci"},
	{8, "bench"},
	{8, "cmd/curfewd"},
	{8, "cmd/curfew"},
}

// exceptions are imports that the floors would forbid, each with its reason. An entry that is not used fails the test.
var exceptions = map[[2]string]string{}

// onlyThese says what a package of ours may import of ours at most.
var onlyThese = map[string][]string{
	"internal/access":    {},
	"internal/coredump":  {},
	"internal/evidence":  {},
	"internal/nearmiss":  {},
	"internal/onethread": {},
	"internal/planted":   {},
	"internal/syncbuf":   {},
	"cmd/curfew":         {"internal/access", "internal/api/client", "internal/audit", "internal/coredump", "internal/evidence", "internal/evidence/pack", "internal/secret"},
}

// testOnly are packages that no program may link.
var testOnly = []string{
	"internal/enginetest", "internal/connector/connectortest", "internal/store/storetest", "internal/store/memstore",
	"internal/connector/memory", "internal/onethread", "internal/relaytest", "internal/simulation", "internal/curfewdtest", "bench",
}

func TestImportsGoDown(t *testing.T) {
	used := map[[2]string]bool{}
	for pkg, imports := range packages(t, false) {
		from, ok := floorOf(pkg)
		if !ok {
			t.Errorf("%s stands on no floor: give it a line in floors", pkg)
			continue
		}
		for _, imp := range imports {
			to, known := floorOf(imp)
			edge := [2]string{pkg, imp}
			if _, excepted := exceptions[edge]; excepted {
				used[edge] = true
				continue
			}
			if !known || to >= from {
				t.Errorf("%s (floor %d) imports %s (floor %d); imports go down", pkg, from, imp, to)
			}
		}
	}
	for edge, reason := range exceptions {
		if !used[edge] {
			t.Errorf("the exception %s → %s (%s) is not used: remove it", edge[0], edge[1], reason)
		}
	}
}

func TestSomePackagesImportLittle(t *testing.T) {
	all := packages(t, false)
	for pkg, allowed := range onlyThese {
		for _, imp := range all[pkg] {
			if !slices.Contains(allowed, imp) {
				t.Errorf("%s imports %s; it may import %v of ours", pkg, imp, allowed)
			}
		}
	}
}

func TestProgramsLinkNoTestPackages(t *testing.T) {
	for pkg, imports := range packages(t, false) {
		for _, imp := range imports {
			if slices.Contains(testOnly, imp) && !slices.Contains(testOnly, pkg) {
				t.Errorf("%s imports %s, which is for tests", pkg, imp)
			}
		}
	}
}

// TestTestsStayInReach holds test files to the floors too, but lets them use anything up to floor 5, since what is
// tested against the real thing needs the real thing.
func TestTestsStayInReach(t *testing.T) {
	for pkg, imports := range packages(t, true) {
		from, _ := floorOf(pkg)
		for _, imp := range imports {
			to, ok := floorOf(imp)
			if !ok || to > max(from, 5) {
				t.Errorf("a test of %s (floor %d) imports %s (floor %d)", pkg, from, imp, to)
			}
		}
	}
}

// TestBubblesHaveOneThread: package onethread says why.
func TestBubblesHaveOneThread(t *testing.T) {
	bubbles, remedied := map[string]bool{}, map[string]bool{}
	walk(t, func(path string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			switch spec.Path.Value {
			case `"testing/synctest"`:
				bubbles[filepath.Dir(path)] = true
			case strconv.Quote(module + "internal/onethread"):
				remedied[filepath.Dir(path)] = true
			}
		}
	})
	if len(bubbles) == 0 {
		t.Error("no package has bubbles")
	}
	for dir := range bubbles {
		if !remedied[dir] {
			t.Errorf("the tests of %s have bubbles, and no TestMain with onethread.Main", dir)
		}
	}
}

func TestNoInitAndNoGlobalRegistration(t *testing.T) {
	walk(t, func(path string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := isInit(d); ok {
				t.Errorf("%s has the function %s; say what is there in a visible list", path, fn)
			}
		}
	})
}

// A grant that just lives costs no timer and no goroutine: in the engine only the Runner has any, one a worker.
func TestTimersAndGoroutinesAreTheRunnersAlone(t *testing.T) {
	walk(t, func(path string) {
		if !strings.HasPrefix(path, "internal/engine/") || strings.HasSuffix(path, "_test.go") || path == "internal/engine/runner.go" {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine", path)
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == "time" && slices.Contains([]string{"AfterFunc", "NewTimer", "NewTicker", "After", "Tick", "Sleep"}, sel.Sel.Name) {
				t.Errorf("%s uses time.%s", path, sel.Sel.Name)
			}
			return true
		})
	})
}

// floorOf finds the floor of a package by the longest pattern that fits.
func floorOf(pkg string) (floor int, ok bool) {
	best := -1
	for _, f := range floors {
		room := strings.TrimSuffix(f.pattern, "*")
		switch {
		case f.pattern == pkg:
			return f.floor, true
		case room != f.pattern && strings.HasPrefix(pkg, room) && len(room) > best:
			floor, ok, best = f.floor, true, len(room)
		}
	}
	return floor, ok
}

// packages lists the imports of ours of each package of ours, those of its tests instead if tests is set.
func packages(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	walk(t, func(path string) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." || strings.HasSuffix(path, "_test.go") != tests {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		out[pkg] = append(out[pkg], []string{}...)
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if own, ok := strings.CutPrefix(imp, module); ok && own != pkg && !slices.Contains(out[pkg], own) {
				out[pkg] = append(out[pkg], own)
			}
		}
	})
	return out
}

// walk visits every Go file of the module.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "tools" || d.Name() == "testpeers" || (strings.HasPrefix(d.Name(), ".") && path != ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isInit finds functions that run by being linked.
func isInit(d ast.Decl) (string, bool) {
	fn, ok := d.(*ast.FuncDecl)
	return "init", ok && fn.Recv == nil && fn.Name.Name == "init"
}
