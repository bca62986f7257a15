package model_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

const (
	source = "grant.pml"
	// memoryLimit bounds a search, in MB.
	memoryLimit = 2048
	// depthLimit bounds the length of a run; a longer one fails the search.
	depthLimit = 1_000_000
)

// spin is the model checker and the compiler of what it generates.
type spin struct{ spin, gcc string }

func needSpin(t *testing.T) spin {
	t.Helper()
	var s spin
	var err error
	if s.gcc, err = localpeer.NeedProgram(t.Context(), t.Output(), "gcc", "gcc", "libc6-dev"); err != nil {
		t.Fatal(err)
	}
	if s.spin, err = localpeer.NeedProgram(t.Context(), t.Output(), "spin", "spin"); err != nil {
		t.Fatal(err)
	}
	return s
}

// search is one exhaustive search of the model.
type search struct {
	// defines are the model's switches.
	defines []string
	// liveness looks for cycles under weak fairness in place of broken assertions.
	liveness bool
}

// result is what a search found.
type result struct {
	states, depth int
	seconds       float64
	// violation is the first broken assertion or bad cycle; empty when there is none.
	violation string
	// unreached are the statements that no run executes, ends of processes aside.
	unreached []string
	// trace is the run that leads to the violation.
	trace string
}

func (r result) String() string {
	return fmt.Sprintf("%d states, depth %d, %.1f s", r.states, r.depth, r.seconds)
}

// run generates, compiles and runs the verifier.
func (s spin) run(t *testing.T, job search) result {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, source), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var defines []string
	// Without optimisation: compiling takes longer than most searches.
	compile := []string{"-w", "-O0", fmt.Sprintf("-DMEMLIM=%d", memoryLimit), "-o", "pan", "pan.c"}
	pan := []string{fmt.Sprintf("-m%d", depthLimit)}
	if job.liveness {
		defines = append(defines, "-DLIVENESS")
		compile = append(compile, "-DNFAIR=4")
		pan = append(pan, "-a", "-f")
	} else {
		compile = append(compile, "-DSAFETY")
	}
	for _, d := range job.defines {
		defines = append(defines, "-D"+d)
	}
	command(t, dir, s.spin, append(append([]string{"-a"}, defines...), source)...)
	command(t, dir, s.gcc, compile...)
	r := parse(t, command(t, dir, filepath.Join(dir, "pan"), pan...))
	if r.violation != "" {
		r.trace = command(t, dir, s.spin, append(append([]string{"-t", "-p", "-g"}, defines...), source)...)
	}
	return r
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

var (
	panDepth     = regexp.MustCompile(`depth reached (\d+), errors: (\d+)`)
	panStates    = regexp.MustCompile(`(\d+) states, stored`)
	panSeconds   = regexp.MustCompile(`elapsed time ([\d.]+) seconds`)
	panViolation = regexp.MustCompile(`(?m)^pan:1: (.*)$`)
	panUnreached = regexp.MustCompile(`(?m)^\t(\S+\.pml:\d+, state \d+, ".*")$`)
)

// parse reads the verifier's report. A search that was cut short proves nothing.
func parse(t *testing.T, out string) result {
	t.Helper()
	for _, limit := range []string{"max search depth too small", "out of memory", "Search not completed", "too many processes"} {
		if strings.Contains(out, limit) && !panViolation.MatchString(out) {
			t.Fatalf("the search was cut short:\n%s", out)
		}
	}
	depth, states, seconds := panDepth.FindStringSubmatch(out), panStates.FindStringSubmatch(out), panSeconds.FindStringSubmatch(out)
	if depth == nil || states == nil || seconds == nil {
		t.Fatalf("the verifier's report is not what is expected:\n%s", out)
	}
	var r result
	r.depth, _ = strconv.Atoi(depth[1])               // matched as digits
	r.states, _ = strconv.Atoi(states[1])             // likewise
	r.seconds, _ = strconv.ParseFloat(seconds[1], 64) // likewise
	if v := panViolation.FindStringSubmatch(out); v != nil {
		r.violation = v[1]
	}
	if (depth[2] != "0") != (r.violation != "") {
		t.Fatalf("the verifier counts %s errors and names %q:\n%s", depth[2], r.violation, out)
	}
	for _, u := range panUnreached.FindAllStringSubmatch(out, -1) {
		if !strings.HasSuffix(u[1], `"-end-"`) {
			r.unreached = append(r.unreached, u[1])
		}
	}
	return r
}
