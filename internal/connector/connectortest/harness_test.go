package connectortest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// bareHarness has what every harness must have, and declares that it can do nothing else.
func bareHarness() *Harness {
	return &Harness{
		Open:        func(testing.TB) connector.Driver { return nil },
		Login:       func(context.Context, access.Entitlement, access.Credential) (Session, error) { return nil, nil },
		Snapshot:    func(testing.TB, ...access.Mark) string { return "" },
		Entitlement: access.Entitlement{Connector: "db", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "db", Resource: "orders", Permission: "write"},
		Without: map[Capability]string{
			WaitPast: "no clock", Interrupt: "no proxy", Stall: "no proxy", Blind: "no privileges",
			MakeForeign: "no marks", MakeObject: "no objects", Standing: "nobody else",
		},
	}
}

func TestHarnessValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(h *Harness)
		want   string
	}{
		{"complete", func(*Harness) {}, ""},
		{"no driver", func(h *Harness) { h.Open = nil }, "Open is not set"},
		{"no log-in", func(h *Harness) { h.Login = nil }, "Login is not set"},
		{"no snapshot", func(h *Harness) { h.Snapshot = nil }, "Snapshot is not set"},
		{"no entitlement", func(h *Harness) { h.Entitlement = access.Entitlement{} }, "Entitlement is not set"},
		{"the same twice", func(h *Harness) { h.Another = h.Entitlement }, "Another, as something else"},
		{"two connectors", func(h *Harness) { h.Another.Connector = "other" }, "with the connector of Entitlement"},
		{"cannot wait for the target to settle", func(h *Harness) { h.Traits.Settle = time.Second }, "nothing settles"},
		{"silent about a capability", func(h *Harness) { delete(h.Without, Blind) }, "cannot blind the observer; give the field"},
		{"both at once", func(h *Harness) { h.WaitPast = func(testing.TB, time.Time) {} }, "Without says that it cannot: no clock"},
		{"shared, and nobody to give", func(h *Harness) { *h = *sharedHarness(); h.Give = nil }, "Give is not set"},
		{"shared, and nobody to have it", func(h *Harness) { *h = *sharedHarness(); h.Account = "" }, "Account is not set"},
		{"a capability that is none", func(h *Harness) { h.Without["fly"] = "no wings" }, `unknown capability "fly"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := bareHarness()
			tt.change(h)
			err := h.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// sharedHarness is bareHarness for a target whose rights several grants may hold.
func sharedHarness() *Harness {
	h := bareHarness()
	h.Traits = connector.Traits{Provenance: connector.BareRight, NoCredential: true}
	h.Account, h.Give = "alice", func(testing.TB, access.Atom) {}
	return h
}

// Each need keeps its case from one of the two harnesses at least, for whatever they can do.
func TestWhatDoesNotApplyHasAReason(t *testing.T) {
	own, shared := bareHarness(), sharedHarness()
	for _, c := range Cases() {
		here, there := c.NotApplicable(own), c.NotApplicable(shared)
		if len(c.needs) > 0 && here == "" && there == "" {
			t.Errorf("case %q needs %v and says nothing", c.Name, c.needs)
		}
		if len(c.needs) == 0 && here+there != "" {
			t.Errorf("case %q needs nothing and does not apply: %s%s", c.Name, here, there)
		}
	}
}

func TestDifference(t *testing.T) {
	before, after := "a\nb\nb\nc\n", "a\nb\nc\nd\nd\n"
	if got, want := difference(before, after), "- b\n+ d\n+ d\n"; got != want {
		t.Errorf("difference is %q, want %q", got, want)
	}
}
