package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// wantsJSON reports whether the output is for a program.
func (p *program) wantsJSON() bool { return p.output == "json" }

// printJSON prints a value as the API shows it.
func (p *program) printJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := p.stdout.Write(escapeJSON(b.Bytes()))
	return err
}

// say prints a line for people. Whatever stands in it is made harmless.
func (p *program) say(format string, args ...any) {
	fmt.Fprintln(p.stdout, display(fmt.Sprintf(format, args...)))
}

// table prints aligned columns under their headings, without a heading when there is none. Every cell is made harmless.
func (p *program) table(headings []string, rows [][]string) error {
	// A tabwriter writes every cell by itself.
	out := bufio.NewWriter(p.stdout)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(headings) > 0 {
		rows = append([][]string{headings}, rows...)
	}
	for _, row := range rows {
		if err := writeRow(w, row); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Flush()
}

func writeRow(w io.Writer, row []string) error {
	cells := make([]string, len(row))
	for i, c := range row {
		cells[i] = display(c)
	}
	_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
	return err
}

// until says how far away a moment is: "in 1m59s", "3m ago".
func until(t, now time.Time) string {
	d := t.Sub(now)
	if d >= 0 {
		return "in " + short(d)
	}
	return short(-d) + " ago"
}

// short is a duration as people say it, in at most two units.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	default:
		return d.Truncate(time.Second).String()
	}
}

// shortText is a duration that the server wrote, as people say it.
func shortText(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil || d%time.Second != 0 {
		return s
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
