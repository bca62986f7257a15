package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
)

// BenchmarkRequestPage reads the first page of requests: of a hundred, two wait for a review, and the others have a grant.
// The plan asks for 1 ms.
func BenchmarkRequestPage(b *testing.B) {
	s := serve(b)
	for i := range 100 {
		what := enginetest.Read
		if i%50 == 0 {
			what = enginetest.Write
		}
		s.seedRequest(what)
	}
	b.Run("mine", func(b *testing.B) { s.benchmark(b, enginetest.Alice, "/v1/requests?scope=mine") })
	b.Run("all", func(b *testing.B) { s.benchmark(b, enginetest.Carol, "/v1/requests?scope=all") })
}

// BenchmarkOfferList lists 10,000 entitlements. The plan asks for 20 ms.
func BenchmarkOfferList(b *testing.B) {
	s := serve(b, enginetest.WithPolicies(policy.Policy{
		Name: "everything", Effect: policy.EffectAllow, Who: []string{"anyone"}, What: []string{"orders-db/**:*"}, MaxDuration: time.Hour,
		When: `resource.labels[?"team"].orValue("") == "orders"`, Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 1}},
	}))
	for i := range 4998 { // and orders and archive
		s.Target.AddResource(access.Resource{Name: fmt.Sprintf("shop-%d", i), Permissions: []string{"read", "write"}})
	}
	s.benchmark(b, enginetest.Alice, "/v1/entitlements")
}

// benchmark answers one call again and again, without a connection.
func (s *server) benchmark(b *testing.B, who, path string) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+who+"-token")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// seedRequest asks for an entitlement as Alice, and waits until what is granted at once is there.
func (s *server) seedRequest(what string) {
	s.t.Helper()
	asked := engine.Submission{Entitlements: []access.Entitlement{enginetest.Entitlement(what)}, Reason: "look at order 17"}
	r, err := s.Engine.Submit(s.t.Context(), s.Who(enginetest.Alice), asked)
	if err == nil && r.State == access.RequestApproved {
		_, err = s.Engine.WaitRequest(s.t.Context(), s.Who(enginetest.Alice), r.ID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
