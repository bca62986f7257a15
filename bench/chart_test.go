package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

// measured7 is a report in which one of the drawn figures grows with the grants and the others stay.
func measured7() report {
	var figures []figure
	for i, live := range []int{1_000, 10_000, 100_000} {
		for _, name := range []string{memoryAtRest, newRequest, dueQuery} {
			figures = append(figures, figure{Name: name, Unit: "MB", Value: 50, Live: live})
		}
		figures = append(figures, figure{Name: firstAction, Unit: "ms", Value: []float64{20, 200, 20_000}[i], Live: live})
	}
	return report{Results: []result{{Number: "7", Figures: figures}}}
}

// lines reads the SVG, which must be well-formed, and returns the points of its lines and its whole text.
func lines(t *testing.T, svg []byte) (points [][]point, text string) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return points, text
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.CharData:
			text += string(e)
		case xml.StartElement:
			if e.Name.Local != "polyline" {
				continue
			}
			var line []point
			for _, a := range e.Attr {
				if a.Name.Local != "points" {
					continue
				}
				for _, pair := range strings.Fields(a.Value) {
					x, y, _ := strings.Cut(pair, ",")
					var p point
					p.x, _ = strconv.ParseFloat(x, 64)
					p.y, _ = strconv.ParseFloat(y, 64)
					line = append(line, p)
				}
			}
			points = append(points, line)
		}
	}
}

// A decade is as high everywhere, what does not grow is level, and words say what the eye sees.
func TestScaleChart(t *testing.T) {
	all, err := scaleSeries(measured7())
	if err != nil {
		t.Fatal(err)
	}
	drawn, text := lines(t, scaleChart(all))
	if len(drawn) != 4 {
		t.Fatalf("%d lines", len(drawn))
	}
	grows := drawn[1]
	first, second := grows[0].y-grows[1].y, grows[1].y-grows[2].y
	if first <= 0 || second < 2*first-0.2 || second > 2*first+0.2 {
		t.Errorf("one decade is %v high and two are %v", first, second)
	}
	if step := grows[1].x - grows[0].x; step <= 0 || grows[2].x-grows[1].x != step {
		t.Errorf("the decades of the grants are not as wide: %v", grows)
	}
	for _, level := range []int{0, 2, 3} {
		if l := drawn[level]; l[0].y != l[2].y {
			t.Errorf("what stays is not level: %v", l)
		}
	}
	for _, line := range drawn {
		for _, p := range line {
			if p.x < 0 || p.x > chartWidth || p.y < 0 || p.y > chartHeight {
				t.Errorf("%v lies outside", p)
			}
		}
	}
	for _, want := range []string{chartTitle, "start to first grant taken back: 20 ms with 1k live grants, 200 ms with 10k live grants, 20000 ms with 100k live grants.", "prefers-color-scheme: dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

func TestScaleChartNeedsItsFigures(t *testing.T) {
	without := measured7()
	without.Results[0].Figures = without.Results[0].Figures[:4]
	for _, r := range []report{{}, without} {
		if _, err := scaleSeries(r); err == nil {
			t.Errorf("%+v was drawn", r)
		}
	}
}

func TestDecades(t *testing.T) {
	for _, test := range []struct {
		values []float64
		least  int
		want   decades
	}{
		{[]float64{20, 300}, 1, decades{1, 3}},
		{[]float64{20, 300}, 3, decades{1, 4}},
		{[]float64{50, 50}, 3, decades{0, 3}},
		{[]float64{1000, 1000}, 1, decades{3, 4}},
	} {
		if got := decadesOf(test.values, test.least); got != test.want {
			t.Errorf("%v with %d is %v, want %v", test.values, test.least, got, test.want)
		}
	}
}
