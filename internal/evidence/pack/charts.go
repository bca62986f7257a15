package pack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Chart is a bar for each label.
type Chart struct {
	Title  string
	Labels []string
	Values []int
}

// maxBars bounds the days that have a bar of their own; a longer period has weeks, or months.
const maxBars = 62

// charts are the plots of a pack.
func (p Pack) charts() []Chart {
	return []Chart{p.begun(), p.lateness(), p.ends()}
}

// begun counts the grants that began, day by day, week by week or month by month.
func (p Pack) begun() Chart {
	days := int(p.Order.To.Sub(p.Order.From).Hours()/24) + 1
	unit, of := "day", func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	step := func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	if days > maxBars {
		unit, of = "month", func(t time.Time) string { return t.UTC().Format("2006-01") }
		step = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC) }
	}
	c := Chart{Title: "Grants that began, by " + unit}
	at := map[string]int{}
	for t := p.Order.From.UTC(); t.Before(p.Order.To) && len(c.Labels) < 10*maxBars; t = step(t) {
		at[of(t)] = len(c.Labels)
		c.Labels, c.Values = append(c.Labels, of(t)), append(c.Values, 0)
	}
	for _, g := range p.Grants {
		if i, ok := at[of(g.Activated)]; ok && !g.Activated.IsZero() {
			c.Values[i]++
		}
	}
	return c
}

// lateness counts by how long after its deadline each expired grant was read back as gone.
func (p Pack) lateness() Chart {
	bounds := []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}
	c := Chart{
		Title:  "Grants that expired, by how long after the deadline they were read back as gone",
		Labels: []string{"≤ 100 ms", "≤ 1 s", "≤ 10 s", "≤ 1 min", "≤ 10 min", "≤ 1 h", "> 1 h"}, Values: make([]int, len(bounds)+1),
	}
	for _, g := range p.Grants {
		if g.EndReason != "expired" || g.Ended.IsZero() {
			continue
		}
		i, _ := slices.BinarySearch(bounds, g.Late())
		c.Values[i]++
	}
	return c
}

// ends counts why grants ended.
func (p Pack) ends() Chart {
	counts := map[string]int{}
	for _, g := range p.Grants {
		reason := g.EndReason
		if g.Ended.IsZero() {
			reason = "not ended"
		}
		counts[reason]++
	}
	c := Chart{Title: "Why grants ended"}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		c.Labels, c.Values = append(c.Labels, reason), append(c.Values, counts[reason])
	}
	return c
}

// text says in words what the bars show.
func (c Chart) text() string {
	var parts []string
	for i, label := range c.Labels {
		if c.Values[i] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", label, c.Values[i]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// most is the largest value, and one at least.
func (c Chart) most() int { return max(1, slices.Max(append([]int{1}, c.Values...))) }

// wordsOf is a map in an order that stays.
func wordsOf(words map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(words)) {
		parts = append(parts, k+": "+words[k])
	}
	return strings.Join(parts, "; ")
}
