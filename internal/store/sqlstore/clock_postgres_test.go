package sqlstore

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reading is an answer of the server, and what passed on this machine since the one before.
type reading struct{ server, passed int64 }

func TestServerClock(t *testing.T) {
	const second, hour = int64(1e6), int64(3600e6)
	tests := []struct {
		name     string
		floor    int64
		readings []reading
		want     int64
	}{
		{"follows the server", 0, []reading{{hour, 0}, {hour + second, second}}, hour + second},
		{"stands while answers overtake each other", 0, []reading{{hour, 0}, {hour - second, 0}}, hour},
		{"does not count twice what was overtaken", 0, []reading{{hour, 0}, {hour - second, 0}, {hour + second, second}}, hour + second},
		{"goes on when the server's clock was set back", 0, []reading{{2 * hour, 0}, {hour, 0}, {hour + second, second}}, 2*hour + second},
		{"counts what passed while it was set back", 0, []reading{{2 * hour, 0}, {hour, second}}, 2*hour + second},
		{"goes on for long", 0, []reading{{2 * hour, 0}, {hour, 0}, {3 * hour, 2 * hour}}, 4 * hour},
		{"takes no jump forward for time", 0, []reading{{2 * hour, 0}, {hour, 0}, {3 * hour, 0}}, 3 * hour},
		{"takes no late answer for a jump", 0, []reading{{3 * hour, 0}, {hour, 0}, {3 * hour, 0}, {hour, 0}, {3 * hour, second}}, 3*hour + second},
		{"counts no more than passed here while it is ahead", 0, []reading{{2 * hour, 0}, {hour, 0}, {hour + 2*second, second}}, 2*hour + second},
		{"does not climb when answers of before and after small changes mix", 0, []reading{
			{hour, 0}, {hour - 3*second, 0}, {hour + 3*second, 0}, {hour - 3*second, 0}, {hour, 0}, {hour + 3*second, 0}, {hour - 3*second, 0}, {hour, 0}, {hour + 3*second, 0},
		}, hour + 3*second},
		{"starts at the floor", 2 * hour, []reading{{hour, 0}}, 2 * hour},
		{"goes on from the floor", 2 * hour, []reading{{hour, 0}, {hour + second, second}}, 2*hour + second},
		{"passes an old floor", second, []reading{{hour, 0}}, hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newServerClock(time.UnixMicro(test.floor).UTC())
			here := time.UnixMicro(0)
			var got time.Time
			for _, r := range test.readings {
				here = here.Add(time.Duration(r.passed) * time.Microsecond)
				got = c.follow(r.server, here)
			}
			// Not Equal: the zone counts too.
			if want := time.UnixMicro(test.want).UTC(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// It never goes back, is never behind the server's, and never ahead of what some answer and the time since then come to.
func TestServerClockKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		server, here := rapid.Int64Range(1, 1e9).Draw(rt, "first"), time.UnixMicro(0)
		floor := time.UnixMicro(rapid.Int64Range(1, 1e9).Draw(rt, "floor"))
		c := newServerClock(floor)
		last := c.follow(server, here)
		most := last
		for _, step := range rapid.SliceOf(rapid.Int64Range(-1e7, 1e7)).Draw(rt, "steps") {
			server = max(1, server+step)
			passed := time.Duration(rapid.Int64Range(0, 1e7).Draw(rt, "passed")) * time.Microsecond
			here = here.Add(passed)
			if most = most.Add(passed); most.Before(time.UnixMicro(server)) {
				most = time.UnixMicro(server)
			}
			now := c.follow(server, here)
			switch {
			case now.After(most):
				rt.Fatalf("shows %v, and nothing that it was told comes to more than %v", now, most)
			case now.Before(last):
				rt.Fatalf("went back from %v to %v", last, now)
			case now.Before(time.UnixMicro(server)):
				rt.Fatalf("shows %v, behind the server's %v", now, time.UnixMicro(server))
			}
			last = now
		}
	})
}
