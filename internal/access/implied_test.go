package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestImpliedWithin(t *testing.T) {
	const hidden = "One of them cannot be seen."
	of := func(incomplete string, rights ...string) access.Implied {
		return access.Implied{Rights: rights, Incomplete: incomplete}
	}
	for _, c := range []struct {
		name       string
		now, shown access.Implied
		want       bool
	}{
		{"nothing", of(""), of(""), true},
		{"the same", of("", "a", "b"), of("", "a", "b"), true},
		{"less", of("", "b"), of("", "a", "b", "c"), true},
		{"more", of("", "a", "b"), of("", "a"), false},
		{"another", of("", "b"), of("", "a"), false},
		{"some where none was", of("", "a"), of(""), false},
		{"incomplete as it was", of(hidden, "a"), of(hidden, "a"), true},
		{"incomplete where it was whole", of(hidden, "a"), of("", "a"), false},
		{"incomplete for another reason", of("Others.", "a"), of(hidden, "a"), false},
		{"whole where it was incomplete", of("", "a"), of(hidden, "a"), true},
		{"more where it was incomplete", of("", "a", "b"), of(hidden, "a"), false},
	} {
		if got := c.now.Within(c.shown); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestImpliedBounds(t *testing.T) {
	if !(access.Implied{Rights: slices.Repeat([]string{"a"}, access.MaxImplied)}).Bounded() {
		t.Error("the most rights are too many")
	}
	for name, i := range map[string]access.Implied{
		"rights": {Rights: slices.Repeat([]string{"a"}, access.MaxImplied+1)},
		"bytes":  {Rights: []string{strings.Repeat("a", access.MaxImpliedBytes)}, Incomplete: "."},
	} {
		if i.Bounded() {
			t.Errorf("too many %s are bounded", name)
		}
	}
}
