package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/curfewhq/curfew/internal/access"
)

func TestVariables(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	in := Input{
		Now: now, Duration: time.Hour, Reason: "order 17", Ticket: "OPS-1", Params: map[string]string{"table": "orders"},
		BreakGlass: true, MFA: true, Start: now.Add(time.Minute),
		Principal: access.Principal{
			ID: access.PrincipalID{Issuer: "okta", Subject: "00u1"}, Kind: access.Agent, Person: "alice", Name: "Bot",
			Groups: []string{"okta/bots"}, Attributes: map[string]string{"site": "berlin"}, ActsFor: access.PrincipalID{Issuer: "static", Subject: "alice"},
		},
		AskedBy: access.Principal{ID: access.PrincipalID{Issuer: "static", Subject: "alice"}},
	}
	target := Target{
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "eu/orders", Permission: "read"},
		Bundle:      "incident", Type: "postgres", Labels: map[string]string{"env": "prod"},
	}
	want := map[string]string{
		"now":                  `timestamp("2026-03-02T10:00:00Z")`,
		"principal.id":         `"okta/00u1"`,
		"principal.issuer":     `"okta"`,
		"principal.subject":    `"00u1"`,
		"principal.kind":       `"agent"`,
		"principal.person":     `"alice"`,
		"principal.name":       `"Bot"`,
		"principal.groups":     `["okta/bots"]`,
		"principal.attributes": `{"site": "berlin"}`,
		"principal.acts_for":   `"static/alice"`,
		"resource.connector":   `"orders-db"`,
		"resource.type":        `"postgres"`,
		"resource.name":        `"eu/orders"`,
		"resource.permission":  `"read"`,
		"resource.entitlement": `"orders-db/eu/orders:read"`,
		"resource.labels":      `{"env": "prod"}`,
		"resource.bundle":      `"incident"`,
		"request.duration":     `duration("30m")`,
		"request.start":        `timestamp("2026-03-02T10:01:00Z")`,
		"request.reason":       `"order 17"`,
		"request.ticket":       `"OPS-1"`,
		"request.params":       `{"table": "orders"}`,
		"request.break_glass":  `true`,
		"request.mfa":          `true`,
		"request.asked_by":     `"static/alice"`,
	}
	vars := variables()
	if got := slices.Sorted(maps.Keys(vars)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("the variables are %v", got)
	}
	language, err := newLanguage(variables(), factFunctions())
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{in: &in, target: &target, begin: in.begin(), duration: 30 * time.Minute, vars: vars}
	for name, value := range want {
		e, mistakes := language.compile(fmt.Sprintf("%s == %s", name, value), cel.BoolType)
		if len(mistakes) > 0 {
			t.Errorf("%s: %v", name, mistakes)
			continue
		}
		if got, err := e.eval(s); err != nil || got != types.True {
			t.Errorf("%s is not %s: %v", name, value, err)
		}
	}
}

// An empty map or list is empty in expressions too, not null.
func TestVariablesOfAnEmptyInput(t *testing.T) {
	language, err := newLanguage(variables(), factFunctions())
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{in: &Input{}, target: &Target{}, vars: variables()}
	e, mistakes := language.compile(`principal.groups.size() + principal.attributes.size() + resource.labels.size() + request.params.size() == 0
		&& resource.labels[?"env"].orValue("none") == "none" && !("env" in resource.labels) && !has(resource.labels.env)`, cel.BoolType)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	if got, err := e.eval(s); err != nil || got != types.True {
		t.Errorf("%v, %v", got, err)
	}
}

func TestErrorsAreClipped(t *testing.T) {
	long := make([]rune, 1000)
	for i := range long {
		long[i] = 'ü'
	}
	if got := []rune(clip(string(long))); len(got) != maxDetail+1 {
		t.Errorf("%d runes", len(got))
	}
	if got := clip("short"); got != "short" {
		t.Error(got)
	}
}
