package access_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestEventKindMatches(t *testing.T) {
	for _, c := range []struct {
		kind, selection access.EventKind
		want            bool
	}{
		{"grant.ended", "", true},
		{"grant.ended", "grant.ended", true},
		{"grant.ended", "grant.", true},
		{"grant.ended", "grant", false},
		{"grant.ended", "grant.end", false},
		{"grants.ended", "grant.", false},
		{"grant.ended", "request.", false},
		{"grant.ended", ".", false},
	} {
		if got := c.kind.Matches(c.selection); got != c.want {
			t.Errorf("%s matches %q is %t, want %t", c.kind, c.selection, got, c.want)
		}
	}
}
