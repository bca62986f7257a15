package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// figure is one value of the table.
type figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`
	// Low and High are the bootstrap interval of a median.
	Low    float64 `json:"low,omitempty"`
	High   float64 `json:"high,omitempty"`
	Target string  `json:"target,omitempty"`
	Note   string  `json:"note,omitempty"`
	// Live is with how many live grants it was measured, where that is the question.
	Live int `json:"live,omitempty"`
}

// estimate is the median of rounds.
func estimate(name, unit string, values []float64, target, note string) figure {
	low, high := bootstrap(values)
	return figure{Name: name, Unit: unit, Value: median(values), Low: low, High: high, Target: target, Note: note}
}

// single is a value that was read once.
func single(name, unit string, value float64) figure {
	return figure{Name: name, Unit: unit, Value: value}
}

func (f figure) wants(target string) figure {
	f.Target = target
	return f
}

func (f figure) label() string {
	if f.Live == 0 {
		return f.Name
	}
	return fmt.Sprintf("%s, %d live grants", f.Name, f.Live)
}

func (f figure) interval() string {
	if f.Low == f.High {
		return ""
	}
	return digits(f.Low) + " … " + digits(f.High)
}

// digits shows four digits, or all that stand before the point.
func digits(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// report is what the runs on a machine found.
type report struct {
	Machine string   `json:"machine"`
	Results []result `json:"results"`
}

// result is a number as it was measured last.
type result struct {
	Number  string   `json:"number"`
	Work    string   `json:"work"`
	When    string   `json:"when"`
	Quick   bool     `json:"quick"`
	Figures []figure `json:"figures"`
}

func newReport() report {
	return report{
		Machine: fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, processors(), runtime.Version()),
	}
}

func newResult(n number, s settings, figures []figure) result {
	return result{Number: n.name, Work: n.work, When: time.Now().UTC().Format(time.DateOnly), Quick: s.quick, Figures: figures}
}

// readReport reads what earlier runs found; where there is no file they found nothing.
func readReport(path string) (r report, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return report{}, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return report{}, fmt.Errorf("the figures of earlier runs: %w", err)
	}
	return r, nil
}

// with is the report with what an earlier one found of numbers that this one has not measured, in the order of the plan.
// Figures of another machine are left out.
func (r report) with(earlier report) report {
	if earlier.Machine != r.Machine {
		return r
	}
	all := slices.Clone(r.Results)
	for _, old := range earlier.Results {
		if !slices.ContainsFunc(r.Results, func(n result) bool { return n.Number == old.Number }) {
			all = append(all, old)
		}
	}
	place := func(name string) int {
		return slices.IndexFunc(numbers(), func(n number) bool { return n.name == name })
	}
	slices.SortStableFunc(all, func(a, b result) int { return cmp.Compare(place(a.Number), place(b.Number)) })
	return report{Machine: r.Machine, Results: all}
}

// print writes the table for a terminal.
func (r report) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, r.Machine)
	fmt.Fprintln(t, "#\tfigure\tvalue\t95 %\ttarget\t")
	for _, result := range r.Results {
		fmt.Fprintf(t, "%s\t%s\t\t\t\t%s\n", result.Number, result.Work, result.remark())
		for _, f := range result.Figures {
			fmt.Fprintf(t, "\t%s\t%s %s\t%s\t%s\t%s\n", f.label(), digits(f.Value), f.Unit, f.interval(), f.Target, f.Note)
		}
	}
	return t.Flush()
}

// printMarkdown writes the table for a document.
func (r report) printMarkdown(out io.Writer) error {
	text := fmt.Appendf(nil, "%s\n\n| # | Figure | Value | 95 %% | Target | |\n|---|---|---|---|---|---|\n", r.Machine)
	for _, result := range r.Results {
		text = fmt.Appendf(text, "| **%s** | **%s** | | | | %s |\n", result.Number, result.Work, result.remark())
		for _, f := range result.Figures {
			text = fmt.Appendf(text, "| | %s | %s %s | %s | %s | %s |\n", f.label(), digits(f.Value), f.Unit, f.interval(), f.Target, f.Note)
		}
	}
	_, err := out.Write(text)
	return err
}

func (r result) remark() string {
	if r.Quick {
		return r.When + ", quick"
	}
	return r.When
}

// write keeps the report as JSON.
func (r report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644) //nolint:gosec // figures, for everybody
}
