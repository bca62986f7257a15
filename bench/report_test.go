package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// What was not measured again stays, in the order of the plan, unless it is another machine's.
func TestReportKeepsOtherNumbers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	empty, err := readReport(path)
	if err != nil || len(empty.Results) != 0 {
		t.Fatalf("%+v, %v", empty, err)
	}
	earlier := report{Machine: "m", Results: []result{{Number: "1", When: "old"}, {Number: "11", When: "old"}}}
	if err := earlier.write(path); err != nil {
		t.Fatal(err)
	}
	if earlier, err = readReport(path); err != nil {
		t.Fatal(err)
	}
	names := func(r report) (s string) {
		for _, n := range r.Results {
			s += n.Number + n.When + " "
		}
		return s
	}
	now := report{Machine: "m", Results: []result{{Number: "11", When: "new"}, {Number: "3", When: "new"}}}
	if got := names(now.with(earlier)); got != "1old 3new 11new " {
		t.Errorf("kept: %s", got)
	}
	now.Machine = "another"
	if got := names(now.with(earlier)); got != "11new 3new " {
		t.Errorf("of another machine: %s", got)
	}
}

func TestPrintMarkdown(t *testing.T) {
	r := report{Machine: "m", Results: []result{{Number: "7", Work: "start", When: "today", Quick: true, Figures: []figure{
		{Name: "memory", Unit: "MB", Value: 46.04, Low: 45, High: 47, Target: "flat", Live: 1000},
	}}}}
	var b strings.Builder
	if err := r.printMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| **7** | **start** | | | | today, quick |", "| | memory, 1000 live grants | 46.04 MB | 45 … 47 | flat |  |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nlacks %s", b.String(), want)
		}
	}
}

func TestChooseRefusesWhatIsNotThere(t *testing.T) {
	if _, err := choose("3,13"); err == nil {
		t.Error("there is no number 13")
	}
	if got, err := choose("11,3"); err != nil || len(got) != 2 || got[0].name != "11" {
		t.Errorf("%v, %v", got, err)
	}
}
