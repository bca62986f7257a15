package sqlstore

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestServerClock(t *testing.T) {
	const second, hour = int64(1e6), int64(3600e6)
	tests := []struct {
		name     string
		floor    int64
		readings []int64
		want     int64
	}{
		{"follows the server", 0, []int64{hour, hour + second}, hour + second},
		{"stands while answers overtake each other", 0, []int64{hour, hour - second}, hour},
		{"does not count twice what was overtaken", 0, []int64{hour, hour - second, hour + second}, hour + second},
		{"goes on when the server's clock was set back", 0, []int64{2 * hour, hour, hour + second}, 2*hour + second},
		{"takes a jump forward for time", 0, []int64{2 * hour, hour, 3 * hour}, 4 * hour},
		{"starts at the floor", 2 * hour, []int64{hour}, 2 * hour},
		{"goes on from the floor", 2 * hour, []int64{hour, hour + second}, 2*hour + second},
		{"passes an old floor", second, []int64{hour}, hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newServerClock(time.UnixMicro(test.floor).UTC())
			var got time.Time
			for _, reading := range test.readings {
				got = c.follow(reading)
			}
			// Not Equal: the zone counts too.
			if want := time.UnixMicro(test.want).UTC(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestServerClockNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		reading := rapid.Int64Range(1, 1e9).Draw(rt, "first")
		c := newServerClock(time.UnixMicro(rapid.Int64Range(1, 1e9).Draw(rt, "floor")))
		last := c.follow(reading)
		for _, step := range rapid.SliceOf(rapid.Int64Range(-1e7, 1e7)).Draw(rt, "steps") {
			reading = max(1, reading+step)
			now := c.follow(reading)
			switch {
			case now.Before(last):
				rt.Fatalf("went back from %v to %v", last, now)
			case now.Before(time.UnixMicro(reading)):
				rt.Fatalf("shows %v, behind the server's %v", now, time.UnixMicro(reading))
			}
			last = now
		}
	})
}
