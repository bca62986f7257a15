package sqlstore

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// setClock shows what it was set to last. It has no monotonic part, like the clock of a simulation.
type setClock struct{ now time.Time }

func (c *setClock) Now() time.Time { return c.now }

func TestClock(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 999, time.UTC)
	whole := start.Truncate(time.Microsecond)
	tests := []struct {
		name  string
		floor time.Time
		steps []time.Duration
		want  time.Duration
	}{
		{"follows the wall", time.Time{}, []time.Duration{time.Minute, time.Hour}, time.Minute + time.Hour},
		{"stands when the wall goes back", time.Time{}, []time.Duration{time.Hour, -time.Hour}, time.Hour},
		{"goes on from there", time.Time{}, []time.Duration{-time.Hour, time.Minute}, time.Minute},
		{"starts at the floor", whole.Add(time.Hour), nil, time.Hour},
		{"goes on from the floor", whole.Add(time.Hour), []time.Duration{time.Minute}, time.Hour + time.Minute},
		{"passes an old floor", whole.Add(-time.Hour), []time.Duration{time.Minute}, time.Minute},
		{"zone and fractions", time.Time{}, []time.Duration{time.Microsecond}, time.Microsecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source := &setClock{now: start.In(time.FixedZone("east", 3600))}
			c := newClock(source, test.floor)
			got := c.Now()
			for _, step := range test.steps {
				source.now = source.now.Add(step)
				got = c.Now()
			}
			// Not Equal: the zone counts too.
			if want := whole.Add(test.want); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		source := &setClock{now: time.UnixMicro(0)}
		c := newClock(source, time.UnixMicro(rapid.Int64Range(-1e6, 1e6).Draw(rt, "floor")))
		last, elapsed := c.Now(), time.Duration(0)
		first := last
		for _, step := range rapid.SliceOf(rapid.Int64Range(-1e6, 1e6)).Draw(rt, "steps") {
			d := time.Duration(step) * time.Microsecond
			source.now = source.now.Add(d)
			elapsed += max(d, 0)
			now := c.Now()
			switch {
			case now.Before(last):
				rt.Fatalf("went back from %v to %v", last, now)
			case now.Before(source.now):
				rt.Fatalf("shows %v, behind the wall's %v", now, source.now)
			case now.Before(first.Add(elapsed)):
				rt.Fatalf("shows %v, but %v elapsed since %v", now, elapsed, first)
			}
			last = now
		}
	})
}
