// Command bench measures Curfew as it is used: a whole server as a child process, over HTTP, on a real disk and against a
// real PostgreSQL, and in turn with it, in the same minutes, the limits of the machine.
//
// It owns the method (method.go), the work that is measured (one file a number) and the table. It owns no opinion of what
// is fast enough: the targets that it prints beside the figures are those of docs/design/scale.md. No program of ours
// links it. Each number ends with a gate: the server is killed in the middle of the same work, started again, and must
// have lost nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settings say how long and how much.
type settings struct {
	quick bool
	// block is how long each side works before the other has its turn, rounds how many turns both have.
	block  time.Duration
	rounds int
	// workers are at work at the same time.
	workers int
	// profiles is a folder for CPU profiles of the server; empty makes none.
	profiles string
	progress func(format string, args ...any)
}

// number is one line of the plan: a piece of work and how to measure it.
type number struct {
	name    string
	work    string
	measure func(context.Context, settings) ([]figure, error)
}

func numbers() []number {
	return []number{
		{"limits", "what the machine can do", measureLimits},
		{"1", "a grant on PostgreSQL, HTTP request to credential, 1 iteration", measureGrantOnce},
		{"2", "the same with 4,096 iterations", measureGrantSlow},
		{"3", "request, decision, approval; no target", measurePairs},
		{"4", "PostgreSQL grants that end at one instant, role gone and sessions ended", measureRevocations},
		{"5", "expiries at one instant, in-memory target", measureExpiries},
		{"6", "a new grant while number 5 goes on", measureNewcomers},
		{"7", "start with N live grants, some overdue; a request and the due query among them", measureStarts},
		{"9", "a grant on Kubernetes until in force, and its return until refused", measureCluster},
		{"10", "first page of many requests; an approval on everybody's screen", measureScreens},
		{"11", "a decision over 1,000 policies and 10,000 entitlements", measureDecisions},
		{"12", "idle memory, start to ready, a curfew round trip", measureIdle},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		exitOn(serveChild(ctx, os.Args[2:]))
		return
	}
	exitOn(run(ctx, os.Args[1:]))
}

func exitOn(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "fewer and shorter rounds, and less of everything: shows that it works, and the rough figure")
	only := flags.String("only", "", "numbers to measure, as in 3,5; all without it")
	out := flags.String("out", filepath.Join("bench", "results.json"), "where the figures are kept as JSON; those of numbers that are not measured stay")
	profiles := flags.String("profiles", "", "a folder for CPU profiles of the server during 1, 2, 3 and 5")
	scale := flags.String("scale", "", "draw the cost over live grants, which is number 7, into this SVG")
	show := flags.Bool("print", false, "measure nothing: print the kept figures as Markdown")
	if err := flags.Parse(args); err != nil {
		return err
	}
	kept, err := readReport(*out)
	if err != nil {
		return err
	}
	if *show {
		return errors.Join(kept.printMarkdown(os.Stdout), drawScale(*scale, kept))
	}
	s := settings{quick: *quick, block: 4 * time.Second, rounds: 7, workers: 16, profiles: *profiles, progress: progress}
	if s.quick {
		s.block, s.rounds = time.Second, 3
	}
	plan, err := choose(*only)
	if err != nil {
		return err
	}
	r, err := measureAll(ctx, s, plan)
	all := r.with(kept)
	return errors.Join(err, r.print(os.Stdout), all.write(*out), drawScale(*scale, all))
}

// choose picks numbers from the plan by their names; no names are all numbers.
func choose(names string) ([]number, error) {
	if names == "" {
		return numbers(), nil
	}
	var chosen []number
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(numbers(), func(n number) bool { return n.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no number %q", name)
		}
		chosen = append(chosen, numbers()[i])
	}
	return chosen, nil
}

// measureAll measures one number after the other. One that fails is reported as failed, and the others go on.
func measureAll(ctx context.Context, s settings, plan []number) (report, error) {
	r := newReport()
	var errs []error
	for _, n := range plan {
		s.progress("%s: %s", n.name, n.work)
		figures, err := n.measure(ctx, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("number %s: %w", n.name, err))
		}
		r.Results = append(r.Results, newResult(n, s, figures))
	}
	return r, errors.Join(errs...)
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
