package simulation

import (
	"math/rand/v2"
	"time"
)

// choices is where everything that is not determined comes from: drawn from a seed, or replayed from the list of an
// earlier run. The plainest choice is always 0, so that a list with more zeros in it, or a shorter one, is a simpler run.
type choices struct {
	// random is nil when made is replayed.
	random *rand.Rand
	script []int
	// made are the choices so far.
	made []int
}

func drawn(seed uint64) *choices {
	return &choices{random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // G404: it must be the same every time
}

// replayed follows a list as far as it goes, and is plain from there on.
func replayed(list []int) *choices { return &choices{script: list} }

// pick is one of 0 … n-1.
func (c *choices) pick(n int) int {
	v := 0
	switch {
	case c.random != nil:
		v = c.random.IntN(n)
	case len(c.made) < len(c.script):
		v = c.script[len(c.made)] % n
	}
	c.made = append(c.made, v)
	return v
}

// chance is true in so many of a hundred cases. What never happens takes no choice.
func (c *choices) chance(percent int) bool {
	return percent > 0 && c.pick(100) >= 100-percent
}

// span is, in so many of a hundred cases, a time of up to limit, and none in the others.
func (c *choices) span(percent int, limit time.Duration) time.Duration {
	if !c.chance(percent) {
		return 0
	}
	return time.Duration(1+c.pick(int(limit/time.Millisecond))) * time.Millisecond
}

// among picks an index in proportion to the weights. The first is the plainest.
func (c *choices) among(weights ...int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	v := c.pick(total)
	for i, w := range weights {
		if v < w {
			return i
		}
		v -= w
	}
	return 0
}

// one picks an item of a list that is not empty.
func one[T any](c *choices, list []T) T { return list[c.pick(len(list))] }
