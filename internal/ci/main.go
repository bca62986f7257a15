// Command ci runs the tiers of checks that `make check`, `make test`, `make nightly` and `make lessons` name, and counts.
//
// It owns the order of the phases and the last line, "N passed, 0 failed, 0 skipped". It owns no check: each is a
// command that anyone can run alone, and is printed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ci check|test|nightly|lessons")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ci:", err)
		os.Exit(1)
	}
}

// run runs a tier and prints its last line. It fails if anything failed or was skipped.
func run(ctx context.Context, tier string, out io.Writer) error {
	phases, err := phasesOf(ctx, tier)
	if err != nil {
		return err
	}
	var total counts
	started := time.Now()
	for _, p := range phases {
		begin := time.Now()
		fmt.Fprintf(out, "== %s\n", p.name)
		c, err := p.run(ctx, out)
		fmt.Fprintf(out, "== %s: %.1f s\n", p.name, time.Since(begin).Seconds())
		if err != nil {
			c.failed++
			fmt.Fprintf(out, "FAILED %s: %v\n", p.name, err)
		}
		total.add(c)
	}
	for _, s := range total.skips {
		fmt.Fprintf(out, "SKIPPED %s\n", s)
	}
	fmt.Fprintf(out, "total: %.1f s\n%d passed, %d failed, %d skipped\n", time.Since(started).Seconds(), total.passed, total.failed, len(total.skips))
	if total.failed > 0 || len(total.skips) > 0 {
		return fmt.Errorf("the tier %s did not pass", tier)
	}
	return nil
}

// phase is one step of a tier.
type phase struct {
	name string
	run  func(context.Context, io.Writer) (counts, error)
}

// underRace has the race detector watch everything but SQLite itself and the C library below it: they are C in the dress of
// Go, keep their data out of its sight, and run a hundred times slower before its eyes.
var underRace = []string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=modernc.org/libc=-race=false"}

// withoutRace are packages whose processes are killed, or go on one goroutine at a time. Their concurrency is that of the
// packages below them, which run with the detector.
var withoutRace = []string{"internal/crash", "internal/faults", "internal/scim", "internal/journey", "internal/canary", "internal/dev", simulation}

// simulation has tests that run for as long as they are told.
const simulation = "internal/simulation"

// needsPeers are the packages whose tests start servers or need programs of others; `make check` leaves them out and says so.
var needsPeers = []string{"internal/localpeer", "internal/connector/postgres", "internal/connector/ldap", "internal/connector/kubernetes", "internal/connector/mysql", "internal/connector/redis", "internal/connector/mongodb", "internal/connector/mongodbatlas", "internal/store/sqlstore", "internal/server", "internal/delivery/gitwitness", "internal/delivery/syslog", "internal/crash", "internal/faults", "internal/scim", "internal/oauth", "internal/identity/ldap", "internal/identity/oidc", "internal/journey", "internal/canary", "internal/secret/awskms", "internal/dev", "cmd/curfewd", "/model"}

func phasesOf(ctx context.Context, tier string) ([]phase, error) {
	all, err := packages(ctx)
	if err != nil {
		return nil, err
	}
	static := []phase{
		command("build", "go", "build", "./..."),
		command("vet", "go", "vet", "./..."),
		command("lint", "go", "tool", "-modfile=tools/lint/go.mod", "golangci-lint", "run", "./..."),
	}
	switch tier {
	case "check":
		quick, left := split(all, needsPeers)
		quick, _ = split(quick, []string{simulation})
		return append(static, tests("tests without peers", quick), simulate("a short simulation", 200, 3),
			say("left out, for they need peers", left)), nil
	case "test":
		racy, plain := split(all, withoutRace)
		return append(append([]phase{compiler(), builtPeers()}, static...),
			tests("tests with the race detector", racy, underRace...), tests("tests without it", plain),
			tests("planted bugs", []string{"./" + simulation}, "-tags=plantedbugs", "-run=^(TestPlantedBugs|TestShrink)$"),
			lessonsPhase()), nil
	case "nightly":
		phases, err := fuzzing(all)
		return append(phases, simulate("a long simulation", 100_000, 1_000)), err
	case "lessons":
		return []phase{lessonsPhase()}, nil
	default:
		return nil, fmt.Errorf("no tier %q: want check, test, nightly or lessons", tier)
	}
}

// simulate is a phase that runs as many seeds, and some of them on SQLite as well.
func simulate(name string, runs, onSQLite int) phase {
	return tests(name, []string{"./" + simulation, fmt.Sprint("-runs=", runs), fmt.Sprint("-sqlite-runs=", onSQLite)}, "-timeout=6h")
}

// packages lists the packages of the module.
func packages(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "./...")
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	return strings.Fields(string(b)), err
}

// split takes the packages with one of the suffixes apart.
func split(all, suffixes []string) (rest, taken []string) {
	for _, p := range all {
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(p, s) }) {
			taken = append(taken, p)
		} else {
			rest = append(rest, p)
		}
	}
	return rest, taken
}

// command is a phase that passes when the command exits with 0.
func command(name string, argv ...string) phase {
	return phase{name: name, run: func(ctx context.Context, out io.Writer) (counts, error) {
		fmt.Fprintln(out, strings.Join(argv, " "))
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = out, out
		return counts{}, cmd.Run()
	}}
}

// say is a phase that only says something.
func say(what string, list []string) phase {
	return phase{name: what, run: func(_ context.Context, out io.Writer) (counts, error) {
		fmt.Fprintln(out, strings.Join(list, "\n"))
		return counts{}, nil
	}}
}

// fuzzRuns is how many inputs nightly gives to each target: minutes of work at most. A time would do as well, but for go test, which
// now and then takes its end for a failure ("context deadline exceeded").
const fuzzRuns = "100000x"

// fuzzing is a phase per fuzz target.
func fuzzing(all []string) ([]phase, error) {
	var phases []phase
	for _, p := range all {
		names, err := testsOf(p)
		if err != nil {
			return nil, err
		}
		for _, target := range names {
			if strings.HasPrefix(target, "Fuzz") {
				phases = append(phases, command("fuzz "+target, "go", "test", "-run", "^$", "-fuzz", "^"+target+"$", "-fuzztime", fuzzRuns, p))
			}
		}
	}
	return phases, nil
}
