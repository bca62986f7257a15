package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
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

// report is what a run found.
type report struct {
	Machine string   `json:"machine"`
	When    string   `json:"when"`
	Quick   bool     `json:"quick"`
	Results []result `json:"results"`
}

type result struct {
	Number  string   `json:"number"`
	Work    string   `json:"work"`
	Figures []figure `json:"figures"`
}

func newReport(s settings) report {
	return report{
		Machine: fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, processors(), runtime.Version()),
		When:    time.Now().UTC().Format(time.DateOnly), Quick: s.quick,
	}
}

func (r *report) add(n number, figures []figure) {
	r.Results = append(r.Results, result{Number: n.name, Work: n.work, Figures: figures})
}

// print writes the table.
func (r report) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s, %s, quick: %t\n", r.Machine, r.When, r.Quick)
	fmt.Fprintln(t, "#\tfigure\tvalue\t95 %\ttarget\t")
	for _, result := range r.Results {
		fmt.Fprintf(t, "%s\t%s\t\t\t\t\n", result.Number, result.Work)
		for _, f := range result.Figures {
			interval := ""
			if f.Low != f.High {
				interval = fmt.Sprintf("%.4g … %.4g", f.Low, f.High)
			}
			fmt.Fprintf(t, "\t%s\t%.4g %s\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, interval, f.Target, f.Note)
		}
	}
	return t.Flush()
}

// write keeps the report as JSON.
func (r report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644) //nolint:gosec // figures, for everybody
}
