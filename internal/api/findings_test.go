package api_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

func TestFindings(t *testing.T) {
	s := serve(t)
	if err := s.Target.AddAccount(memory.Account{Name: "theirs", Mark: "curfew1:elsewhere:default:c:gr_1:mac"}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Engine.Reconcile(t.Context(), store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"}); err != nil {
		t.Fatal(err)
	}
	refused(t, s.call(enginetest.Alice, "GET", "/v1/findings", ""), 403)
	list := ok[api.FindingList](s, enginetest.Olga, "GET", "/v1/findings", "")
	if len(list.Items) != 1 || list.Items[0].Kind != "foreign" || list.Items[0].State != "open" || list.Items[0].Account != "theirs" || list.Items[0].Overdue {
		t.Fatalf("%+v", list)
	}
	accept := "/v1/findings/" + list.Items[0].ID + "/accept"
	refused(t, s.call(enginetest.Alice, "POST", accept, `{"reason":"x"}`), 404)
	refused(t, s.call(enginetest.Olga, "POST", accept, `{"reason":"x"}`), 403)
	refused(t, s.call(enginetest.Carol, "POST", accept, `{"reason":""}`), 422)
	refused(t, s.call(enginetest.Carol, "POST", accept, `{"reason":"`+strings.Repeat("x", access.MaxReason+1)+`"}`), 422)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/findings/fd_none/accept", `{"reason":"x"}`), 404)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/findings/gr_1/accept", `{"reason":"x"}`), 404)
	got := ok[api.Finding](s, enginetest.Carol, "POST", accept, `{"reason":"it is theirs"}`)
	if got.State != "accepted" || got.ClosedBy != "carol" || got.Reason != "it is theirs" {
		t.Errorf("%+v", got)
	}
	refused(t, s.call(enginetest.Carol, "POST", accept, `{"reason":"again"}`), 409)
	if list := ok[api.FindingList](s, enginetest.Carol, "GET", "/v1/findings", ""); list.Items == nil || len(list.Items) != 0 {
		t.Errorf("open: %+v", list)
	}
	if list := ok[api.FindingList](s, enginetest.Carol, "GET", "/v1/findings?all=true", ""); len(list.Items) != 1 {
		t.Errorf("all: %+v", list)
	}
}
