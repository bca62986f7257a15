package connector_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/connector"
)

// TestPresenceIsAbsentOnlyWhenAllOfItIs is the sentence that everything hangs on: a grant ends with absent.
func TestPresenceIsAbsentOnlyWhenAllOfItIs(t *testing.T) {
	states := []connector.AtomState{connector.Present, connector.Absent, connector.Unknown, "", "something new"}
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfN(rapid.SampledFrom(states), 0, 5).Draw(t, "states")
		p := connector.Presence{Sessions: rapid.IntRange(0, 1).Draw(t, "sessions")}
		for _, s := range drawn {
			p.Atoms = append(p.Atoms, connector.AtomPresence{State: s})
		}
		allAbsent := len(drawn) > 0 && !slices.ContainsFunc(drawn, func(s connector.AtomState) bool {
			return s != connector.Absent
		})
		anyPresent := p.Sessions > 0 || slices.Contains(drawn, connector.Present)
		want := connector.Unknown
		switch {
		case anyPresent:
			want = connector.Present
		case allAbsent:
			want = connector.Absent
		}
		if got := p.State(); got != want {
			t.Fatalf("%v with %d sessions is %s, want %s", drawn, p.Sessions, got, want)
		}
	})
}

func TestFieldError(t *testing.T) {
	tests := []struct {
		err  connector.FieldError
		want string
	}{
		{connector.FieldError{Msg: "wrong"}, "wrong"},
		{connector.FieldError{Path: []string{"permissions", "read", "roles"}, Msg: "wrong"}, "permissions.read.roles: wrong"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
