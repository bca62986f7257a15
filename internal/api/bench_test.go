package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
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
	for _, list := range []struct{ who, scope string }{{enginetest.Alice, "mine"}, {enginetest.Carol, "all"}} {
		b.Run(list.scope, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/requests?scope="+list.scope, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+list.who+"-token")
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
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
