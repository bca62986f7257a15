package api_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// What would be decided is told in the API's words, for an agent with what it is held to.
func TestDecisions(t *testing.T) {
	s := serve(t)
	const ask = `{"entitlements":["orders-db/orders:write"],"duration":"30m","reason":"x"}`
	for who, actsFor := range map[string]string{enginetest.Alice: "", enginetest.AliceAgent: "alice"} {
		d := ok[api.Decision](s, who, "POST", "/v1/decisions", ask)
		if d.Decision != "review" || d.Principal != who || d.ActsFor != actsFor || len(d.Requires) != 1 || len(d.Missing) != 0 {
			t.Errorf("%s: %+v", who, d)
		}
		st := d.Stages[0]
		if st.Count != 1 || st.From[0] != "group:leads" || st.Within != "2h0m0s" || len(st.Approvers) != 3 || st.Approvers[0].Principal != "bob" {
			t.Errorf("%s: the stage is %+v", who, st)
		}
		target := d.Targets[0]
		if target.Policy != "write-orders" || target.Duration != "30m0s" || target.MaxDuration != "1h0m0s" || len(target.Policies) != 3 || (actsFor != "") != (len(target.HumanPolicies) == 3) {
			t.Errorf("%s: the target is %+v", who, target)
		}
	}
	if d := ok[api.Decision](s, enginetest.Mallory, "POST", "/v1/decisions", ask); d.Decision != "denied" || len(d.Stages) != 0 || d.Targets[0].Policies[1].Result != "not for you" {
		t.Errorf("for whom nothing is: %+v", d)
	}
	if list := ok[api.RequestList](s, enginetest.Carol, "GET", "/v1/requests?scope=all", ""); len(list.Items) != 0 {
		t.Errorf("%d requests were kept", len(list.Items))
	}
	if detail := refused(t, s.call(enginetest.Alice, "POST", "/v1/decisions", `{"entitlements":["orders-db/orders:raed"]}`), 404); !strings.Contains(detail, "nearest") {
		t.Error(detail)
	}
	refused(t, s.call("", "POST", "/v1/decisions", ask), 401)
}

// What is asked in another's name is decided as theirs, and said to be; a policy that lets nobody ask so is told in a word that
// the API's document has.
func TestDecisionsInAnothersName(t *testing.T) {
	s := serve(t)
	d := ok[api.Decision](s, enginetest.Bob, "POST", "/v1/decisions", `{"entitlements":["orders-db/orders:write"],"reason":"x","on_behalf_of":"alice"}`)
	if d.Decision != "review" || d.Principal != enginetest.Alice {
		t.Errorf("%+v", d)
	}
	d = ok[api.Decision](s, enginetest.Bob, "POST", "/v1/decisions", `{"entitlements":["orders-db/orders:read"],"reason":"x","on_behalf_of":"alice"}`)
	if len(d.Targets) != 1 || d.Decision != "denied" {
		t.Fatalf("%+v", d)
	}
	for _, c := range d.Targets[0].Policies {
		if !client.ConsideredResult(c.Result).Valid() {
			t.Errorf("the document has no result %q", c.Result)
		}
	}
}
