package simulation

import (
	"cmp"
	"slices"
	"testing"
)

// shrinkRuns bounds the search for a simpler run.
const shrinkRuns = 800

// Shrink looks for a simpler run than a failed one that breaks the same promise: with fewer choices, and plainer ones.
func Shrink(t *testing.T, setup *Setup, open Opener, failed Result) Result {
	t.Helper()
	best, left := failed, shrinkRuns
	simpler := func(choices []int) bool {
		if left == 0 {
			return false
		}
		left--
		r := run(t, setup, open, replayed(choices))
		if r.Broken == nil || r.Broken.Promise != best.Broken.Promise || compareRuns(r, best) >= 0 {
			return false
		}
		best = r
		return true
	}
	for size := len(best.Choices) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(best.Choices); {
			if !simpler(slices.Delete(slices.Clone(best.Choices), at, at+size)) && !simpler(plain(best.Choices, at, size)) {
				at += size
			}
		}
	}
	return best
}

// plain is the choices with the plainest at some of them.
func plain(choices []int, at, size int) []int {
	choices = slices.Clone(choices)
	clear(choices[at : at+size])
	return choices
}

// compareRuns puts the run first in which less happens.
func compareRuns(a, b Result) int {
	weight := func(choices []int) (sum int) {
		for _, c := range choices {
			sum += min(c, 1)
		}
		return sum
	}
	return cmp.Or(
		cmp.Compare(len(a.Trace), len(b.Trace)), cmp.Compare(len(a.Choices), len(b.Choices)),
		cmp.Compare(weight(a.Choices), weight(b.Choices)),
	)
}
