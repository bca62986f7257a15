package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"os"
	"slices"
	"strings"
)

// The chart has a panel for each series, two beside each other, with the same number of decades in each: a slope means the
// same everywhere.
const (
	chartWidth, chartHeight = 880, 640
	panelWidth, panelHeight = 340, 200
	panelsPerRow            = 2
	leastDecades            = 3
)

// series is a figure over the number of live grants.
type series struct {
	name, unit string
	points     []point
}

type point struct{ x, y float64 }

// drawScale draws what number 7 found; without a path it draws nothing.
func drawScale(path string, r report) error {
	if path == "" {
		return nil
	}
	all, err := scaleSeries(r)
	if err != nil {
		return err
	}
	return os.WriteFile(path, scaleChart(all), 0o644) //nolint:gosec // for everybody
}

// scaleSeries picks from the report what is drawn.
func scaleSeries(r report) ([]series, error) {
	at := slices.IndexFunc(r.Results, func(n result) bool { return n.Number == "7" })
	if at < 0 {
		return nil, fmt.Errorf("there is nothing to draw: number 7 was not measured")
	}
	var all []series
	for _, name := range []string{memoryAtRest, firstAction, newRequest, dueQuery} {
		s := series{name: name}
		for _, f := range r.Results[at].Figures {
			if f.Name == name && f.Live > 0 && f.Value > 0 {
				s.unit = f.Unit
				s.points = append(s.points, point{float64(f.Live), f.Value})
			}
		}
		if len(s.points) < 2 {
			return nil, fmt.Errorf("there is nothing to draw: %q was measured with fewer than two numbers of grants", name)
		}
		all = append(all, s)
	}
	return all, nil
}

// decades are the powers of ten between which values lie, at least so many.
type decades struct{ from, to int }

func decadesOf(values []float64, least int) decades {
	d := decades{int(math.Floor(math.Log10(slices.Min(values)))), int(math.Ceil(math.Log10(slices.Max(values))))}
	for extra := least - (d.to - d.from); extra > 0; extra-- {
		if extra%2 == 0 {
			d.from--
		} else {
			d.to++
		}
	}
	return d
}

// place is where a value lies between the first decade and the last: 0 to 1.
func (d decades) place(v float64) float64 {
	return (math.Log10(v) - float64(d.from)) / float64(d.to-d.from)
}

// The colours are the reader's choice of light or dark, which an SVG in a page follows by itself.
const chartHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">
<title id="title">%s</title>
<desc id="desc">%s</desc>
<style>
:root { --back: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d1d9e0; --line: #0969da; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --grid: #3d444d; --line: #4493f8; } }
.back { fill: var(--back); }
text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.name { font-size: 14px; font-weight: 600; fill: var(--ink); }
.value { fill: var(--ink); }
.grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke: var(--line); stroke-width: 2; }
.dot { fill: var(--line); }
</style>
<rect class="back" width="%[1]d" height="%[2]d"/>
`

const chartTitle = "What Curfew costs over the number of live grants"

// scaleChart is the SVG.
func scaleChart(all []series) []byte {
	most := leastDecades
	for _, s := range all {
		d := decadesOf(s.ys(), 1)
		most = max(most, d.to-d.from)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, chartHead, chartWidth, chartHeight, chartTitle, html.EscapeString(describe(all)))
	fmt.Fprintf(&b, `<text class="name" x="24" y="30">%s</text>`+"\n", chartTitle)
	for i, s := range all {
		p := panel{&b, s, 72 + i%panelsPerRow*(panelWidth+84), 90 + i/panelsPerRow*(panelHeight+90), decadesOf(s.xs(), 1), decadesOf(s.ys(), most)}
		p.draw()
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// describe says in words what the chart shows.
func describe(all []series) string {
	var b strings.Builder
	b.WriteString("Four charts with logarithmic axes.")
	for _, s := range all {
		fmt.Fprintf(&b, " %s:", s.name)
		for i, p := range s.points {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %s with %s live grants", s.value(p), short(p.x))
		}
		b.WriteByte('.')
	}
	return b.String()
}

func (s series) xs() (v []float64) {
	for _, p := range s.points {
		v = append(v, p.x)
	}
	return v
}

func (s series) ys() (v []float64) {
	for _, p := range s.points {
		v = append(v, p.y)
	}
	return v
}

// value is a point's value as people read it.
func (s series) value(p point) string {
	if p.y >= 100 {
		return fmt.Sprintf("%.0f %s", p.y, s.unit)
	}
	return fmt.Sprintf("%.2g %s", p.y, s.unit)
}

// short writes 1000 as 1k, and a million as 1M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	default:
		return fmt.Sprintf("%g", v)
	}
}

// panel is one series at its place.
type panel struct {
	out         *bytes.Buffer
	series      series
	left, top   int
	axisX, axis decades
}

func (p panel) x(v float64) float64 { return float64(p.left) + p.axisX.place(v)*panelWidth }
func (p panel) y(v float64) float64 { return float64(p.top) + (1-p.axis.place(v))*panelHeight }

func (p panel) draw() {
	fmt.Fprintf(p.out, `<text class="name" x="%d" y="%d">%s (%s)</text>`+"\n", p.left, p.top-14, html.EscapeString(p.series.name), p.series.unit)
	for e := p.axis.from; e <= p.axis.to; e++ {
		v := math.Pow10(e)
		fmt.Fprintf(p.out, `<line class="grid" x1="%d" x2="%d" y1="%[3]g" y2="%[3]g"/><text x="%[4]d" y="%[5]g" text-anchor="end">%[6]s</text>`+"\n",
			p.left, p.left+panelWidth, round1(p.y(v)), p.left-8, round1(p.y(v)+4), short(v))
	}
	for e := p.axisX.from; e <= p.axisX.to; e++ {
		v := math.Pow10(e)
		fmt.Fprintf(p.out, `<line class="grid" x1="%[1]g" x2="%[1]g" y1="%[2]d" y2="%[3]d"/><text x="%[1]g" y="%[4]d" text-anchor="middle">%[5]s</text>`+"\n",
			round1(p.x(v)), p.top, p.top+panelHeight, p.top+panelHeight+18, short(v))
	}
	fmt.Fprintf(p.out, `<text x="%d" y="%d" text-anchor="middle">live grants</text>`+"\n", p.left+panelWidth/2, p.top+panelHeight+36)
	var path []string
	for _, pt := range p.series.points {
		path = append(path, fmt.Sprintf("%g,%g", round1(p.x(pt.x)), round1(p.y(pt.y))))
	}
	fmt.Fprintf(p.out, `<polyline class="line" points="%s"/>`+"\n", strings.Join(path, " "))
	last := len(p.series.points) - 1
	for i, pt := range p.series.points {
		x, y := round1(p.x(pt.x)), round1(p.y(pt.y))
		fmt.Fprintf(p.out, `<circle class="dot" cx="%g" cy="%g" r="4"/>`+"\n", x, y)
		switch {
		case i == 0:
			p.say(x, y-10, "start", pt)
		case i == last && pt.y < p.series.points[i-1].y: // the line comes from above
			p.say(x, y+20, "end", pt)
		case i == last:
			p.say(x, y-10, "end", pt)
		}
	}
}

func (p panel) say(x, y float64, anchor string, pt point) {
	fmt.Fprintf(p.out, `<text class="value" x="%g" y="%g" text-anchor="%s">%s</text>`+"\n", x, y, anchor, p.series.value(pt))
}

// round1 keeps a tenth of a pixel.
func round1(v float64) float64 { return math.Round(v*10) / 10 }
