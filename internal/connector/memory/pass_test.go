package memory

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// TestPassIsAskedAtEveryMoment lets one moment fail: what was done before it stays, and nothing after it happens.
func TestPassIsAskedAtEveryMoment(t *testing.T) {
	var asked []Moment
	wrong := errors.New("stop here")
	target := NewTarget(Options{
		Resources: []access.Resource{{Name: "orders", Permissions: []string{"read"}}},
		Pass: func(_ context.Context, call connector.Call, m Moment) error {
			if call != connector.CallGrant {
				return nil
			}
			asked = append(asked, m)
			if m == Midway && len(asked) < 3 {
				return wrong
			}
			return nil
		},
	})
	d, o := target.Driver(target.clock), testOrder(target, "gr_1")
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grant(t.Context(), o, p); !errors.Is(err, wrong) {
		t.Errorf("Grant: got %v, want what Pass said", err)
	}
	if _, err := target.Login("curfew-gr_1", ""); err == nil || len(target.Accounts()) != 2 {
		t.Errorf("half-way there are %v", target.Accounts())
	}
	if _, err := d.Grant(t.Context(), o, p); err != nil {
		t.Error(err)
	}
	if want := []Moment{BeforeEffect, Midway, BeforeEffect, Midway, AfterEffect}; !slices.Equal(asked, want) {
		t.Errorf("asked at %v, want %v", asked, want)
	}
}
