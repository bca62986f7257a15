package pack

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"
)

//go:embed report.html.tmpl
var reportText string

// fact is a line of the report's head.
type fact struct {
	Name, Value string
	Warn        bool
}

func (p Pack) title() string {
	return fmt.Sprintf("Access through Curfew, %s to %s", p.Order.From.UTC().Format(time.DateOnly), p.Order.To.UTC().Format(time.DateOnly))
}

func (p Pack) facts() []fact {
	return []fact{
		{Name: "Period", Value: fmt.Sprintf("from %s, before %s (UTC)", moment(p.Order.From), moment(p.Order.To))},
		{Name: "Log", Value: p.Origin},
		{Name: "Entries", Value: fmt.Sprintf("%d, the last of %s, all proven by one checkpoint", p.Entries, moment(p.Last))},
		{Name: "Public key", Value: p.Key},
		{Name: "Erased", Value: fmt.Sprintf("%d personal values; the log commits to them still", p.Erased)},
	}
}

func (p Pack) summary() []fact {
	var began, ended, verified, open int
	people := map[string]bool{}
	for _, g := range p.Grants {
		if !g.Activated.IsZero() {
			began++
			people[g.Who] = true
		}
		switch {
		case g.Ended.IsZero():
			open++
		case g.VerifiedBy != "":
			verified++
			fallthrough
		default:
			ended++
		}
	}
	return []fact{
		{Name: "Requests", Value: fmt.Sprint(len(p.Requests))},
		{Name: "Grants that began", Value: fmt.Sprintf("%d; people, services and agents who had them: %d", began, len(people))},
		{Name: "Grants that ended", Value: fmt.Sprintf("%d, of which %d were read back as gone", ended, verified)},
		{Name: "Still live at the end of the log", Value: fmt.Sprint(open)},
		{Name: "Exceptions", Value: fmt.Sprint(len(p.Exceptions)), Warn: len(p.Exceptions) > 0},
	}
}

// verification are the commands by which a pack is verified.
const verification = "curfew evidence verify DIR --key KEY --checkpoint FILE"

// html is the report for a browser. It needs nothing but itself.
func (p Pack) html() ([]byte, error) {
	report, err := template.New("report").Parse(reportText)
	if err != nil {
		return nil, err
	}
	type plot struct {
		Title string
		SVG   template.HTML
	}
	type shown struct {
		Name, Title, None string
		Headings          []string
		Rows              [][]string
	}
	data := struct {
		Title          string
		Facts, Summary []fact
		Plots          []plot
		Tables         []shown
		Verify         string
	}{Title: p.title(), Facts: p.facts(), Summary: p.summary(), Verify: verification}
	for _, c := range p.charts() {
		data.Plots = append(data.Plots, plot{c.Title, template.HTML(c.svg())}) //nolint:gosec // svg escapes what is not its own
	}
	for _, t := range p.tables() {
		data.Tables = append(data.Tables, shown{t.name, t.title, t.none, t.headings, t.rows})
	}
	var b bytes.Buffer
	err = report.Execute(&b, data)
	return b.Bytes(), err
}

const (
	chartWidth, chartHeight = 900, 220
	chartFoot, chartHead    = 50, 20
)

// svg draws the bars. What they show is said in words as well.
func (c Chart) svg() string {
	var b strings.Builder
	esc := template.HTMLEscapeString
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s"><title>%s</title>`, chartWidth, chartHeight, esc(c.Title+": "+c.text()), esc(c.Title))
	n := max(1, len(c.Labels))
	slot := float64(chartWidth) / float64(n)
	every := (n + 11) / 12 // labels that have room
	for i, v := range c.Values {
		h := float64(v) / float64(c.most()) * (chartHeight - chartFoot - chartHead)
		x, y := float64(i)*slot, float64(chartHeight-chartFoot)-h
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %d</title></rect>`, x+slot*0.1, y, slot*0.8, h, esc(c.Labels[i]), v)
		if v > 0 && n <= 40 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`, x+slot/2, y-4, v)
		}
		if i%every == 0 {
			anchor, at := "middle", x+slot/2
			if i == 0 {
				anchor, at = "start", 0.0
			} else if i+every >= n {
				anchor, at = "end", x+slot
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s">%s</text>`, at, chartHeight-chartFoot+18, anchor, esc(c.Labels[i]))
		}
	}
	b.WriteString(`</svg>`)
	return b.String()
}
