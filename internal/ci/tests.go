package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/syncbuf"
)

// counts are the results of tests, subtests included.
type counts struct {
	passed, failed int
	skips          []string
}

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skips = append(c.skips, d.skips...)
}

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	// ImportPath names the package in what the compiler says.
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// tests is a phase that runs the tests of packages and counts them.
func tests(name string, packages []string, flags ...string) phase {
	return phase{name: name, run: func(ctx context.Context, out io.Writer) (counts, error) {
		argv := append([]string{"test", "-json", "-count=1", "-timeout=20m"}, flags...)
		fmt.Fprintln(out, "go "+strings.Join(argv, " "))
		return goTest(ctx, out, append(argv, longestFirst(packages)...))
	}}
}

// longest are the packages whose tests take minutes, those that take the most first.
var longest = []string{
	"internal/store/sqlstore", "internal/engine", "internal/connector/mongodb", "internal/connector/postgres", "internal/connector/kubernetes",
	"internal/server", "internal/connector/ldap", "internal/connector/mysql", "internal/localpeer", "internal/connector/mongodbatlas", "/model",
	"cmd/curfew", "internal/crash", "internal/faults", "internal/journey", "internal/dev", "internal/canary", simulation,
}

// longestFirst puts the longest first: go test begins packages in the order in which they are named, and one that begins
// last runs alone in the end.
func longestFirst(packages []string) []string {
	rank := func(p string) int {
		i := slices.IndexFunc(longest, func(suffix string) bool { return strings.HasSuffix(p, suffix) })
		if i < 0 {
			return len(longest)
		}
		return i
	}
	return slices.SortedStableFunc(slices.Values(packages), func(a, b string) int { return rank(a) - rank(b) })
}

// goTest runs go test, prints a line a package and the whole output of what failed, and counts.
func goTest(ctx context.Context, out io.Writer, argv []string) (_ counts, err error) {
	folder, err := temporary()
	if err != nil {
		return counts{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	cmd := exec.CommandContext(ctx, "go", argv...)
	if folder != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+folder)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	var complaints syncbuf.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		return counts{}, err
	}
	c := report{out: out, output: map[string]*strings.Builder{}, broken: map[string]bool{}}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		c.take(e)
	}
	if err := cmd.Wait(); err != nil && c.failed == 0 {
		return c.counts, fmt.Errorf("go test: %w\n%s", err, complaints.String())
	}
	return c.counts, lines.Err()
}

// report follows the events of one go test.
type report struct {
	counts
	out    io.Writer
	output map[string]*strings.Builder
	// broken are the packages of which a test has failed.
	broken map[string]bool
}

func (r *report) take(e event) {
	key := strings.TrimSpace(e.Package + e.ImportPath + " " + e.Test)
	if r.output[key] == nil {
		r.output[key] = &strings.Builder{}
	}
	switch e.Action {
	case "output", "build-output":
		r.output[key].WriteString(e.Output)
		return
	case "pass":
		r.pass(e)
	case "fail", "build-fail":
		r.fail(e)
		fmt.Fprintf(r.out, "--- FAIL %s\n%s", key, r.output[key])
		if e.Test == "" {
			r.unfinished(e.Package)
		}
	case "skip":
		r.skip(e, r.output[key].String())
	default:
		return
	}
	delete(r.output, key)
}

// unfinished prints what the tests of a package said that never came to an end: a process that dies outside of any test, as
// by a panic of another goroutine or by the race detector's limits, is reported as the output of the test that was running.
func (r *report) unfinished(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(r.output)) {
		if strings.HasPrefix(key, pkg+" ") {
			fmt.Fprintf(r.out, "--- UNFINISHED %s\n%s", key, r.output[key])
			delete(r.output, key)
		}
	}
}

func (r *report) pass(e event) {
	if e.Test == "" {
		fmt.Fprintf(r.out, "ok   %s %.1f s\n", e.Package, e.Elapsed)
		return
	}
	r.passed++
}

// fail counts a failed test; and a package that failed without one, because it does not compile or its process died.
func (r *report) fail(e event) {
	switch {
	case e.Test != "":
		r.broken[e.Package] = true
		r.failed++
	case e.Action == "fail" && !r.broken[e.Package]:
		r.failed++
	}
}

// skip counts a skipped test. A package without tests is said to be skipped too, and is none.
func (r *report) skip(e event, output string) {
	if e.Test != "" {
		r.skips = append(r.skips, strings.TrimSpace(e.Package+" "+e.Test+": "+output))
	}
}
