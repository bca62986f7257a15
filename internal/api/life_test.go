package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
)

// asking is a body that asks for one entitlement.
func asking(entitlement, duration string) string {
	return fmt.Sprintf(`{"entitlements":[%q],"duration":%q,"reason":"order 17"}`, entitlement, duration)
}

// active asks for what is automatic, and waits until it is there.
func active(s *server) api.Grant {
	s.t.Helper()
	r := ok[api.Request](s, enginetest.Alice, "POST", "/v1/requests?wait=30s", asking(enginetest.Read, "2m"))
	if r.State != "approved" || len(r.Grants) != 1 || r.Grants[0].State != "active" {
		s.t.Fatalf("%+v", r)
	}
	return r.Grants[0]
}

func pending(s *server) api.Request {
	s.t.Helper()
	r := ok[api.Request](s, enginetest.Alice, "POST", "/v1/requests", asking(enginetest.Write, "30m"))
	if r.State != "pending" {
		s.t.Fatalf("%+v", r)
	}
	return r
}

func TestEntitlements(t *testing.T) {
	s := serve(t)
	list := ok[api.OfferList](s, enginetest.Alice, "GET", "/v1/entitlements", "")
	var got []string
	for _, o := range list.Items {
		got = append(got, fmt.Sprintf("%s %s %s %s", o.Entitlement, o.Decision, o.MaxDuration, o.Reviewers))
	}
	want := []string{
		"orders-db/orders:drop review 1h0m0s [group:leads]",
		"orders-db/orders:read auto 4h0m0s []",
		"orders-db/orders:write review 1h0m0s [group:leads]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := ok[api.OfferList](s, enginetest.Alice, "GET", "/v1/entitlements?words=WRITE%20orders", ""); len(list.Items) != 1 {
		t.Errorf("%d items for two words", len(list.Items))
	}
	if list := ok[api.OfferList](s, enginetest.Mallory, "GET", "/v1/entitlements", ""); list.Items == nil || len(list.Items) != 0 {
		t.Errorf("%+v for somebody who may nothing", list)
	}
	if list := ok[api.OfferList](s, enginetest.Mallory, "GET", "/v1/entitlements?denied=true", ""); len(list.Items) != 4 || list.Items[0].Decision != "denied" {
		t.Errorf("%+v with denied", list)
	}
}

func TestLifeOfAnAutomaticGrant(t *testing.T) {
	s := serve(t)
	g := active(s)
	if g.Deadline.Sub(g.ActivatedAt).String() != "2m0s" || g.Principal != "alice" || g.Entitlement != enginetest.Read {
		t.Errorf("%+v", g)
	}
	if got := ok[api.Grant](s, enginetest.Alice, "GET", "/v1/grants/"+g.ID, ""); got.ID != g.ID {
		t.Errorf("%+v", got)
	}
	if list := ok[api.GrantList](s, enginetest.Alice, "GET", "/v1/grants", ""); len(list.Items) != 1 || list.Next != "" {
		t.Errorf("%+v", list)
	}
	refused(t, s.call(enginetest.Mallory, "GET", "/v1/grants/"+g.ID, ""), 404)
	refused(t, s.call(enginetest.Mallory, "POST", "/v1/grants/"+g.ID+"/return", ""), 404)
	refused(t, s.call(enginetest.Olga, "POST", "/v1/grants/"+g.ID+"/revoke", `{"reason":"I audit"}`), 403)
	refused(t, s.call(enginetest.Mallory, "GET", "/v1/grants?scope=all", ""), 403)

	if got := ok[api.Grant](s, enginetest.Alice, "POST", "/v1/grants/"+g.ID+"/return", ""); got.EndReason != "returned" {
		t.Errorf("%+v", got)
	}
	s.gone(g.ID)
	if list := ok[api.GrantList](s, enginetest.Alice, "GET", "/v1/grants", ""); len(list.Items) != 0 {
		t.Errorf("an ended grant is in the list: %+v", list)
	}
	list := ok[api.GrantList](s, enginetest.Olga, "GET", "/v1/grants?scope=all&ended=true", "")
	if len(list.Items) != 1 || list.Items[0].VerifiedAt.IsZero() || list.Items[0].VerifiedBy == "" {
		t.Errorf("%+v", list)
	}
}

// gone waits until a grant has ended. The request of a live grant wakes nobody, so it asks again.
func (s *server) gone(id string) {
	s.t.Helper()
	for s.t.Context().Err() == nil {
		if ok[api.Grant](s, enginetest.Carol, "GET", "/v1/grants/"+id, "").State == "ended" {
			return
		}
	}
}

func TestRevokeByAnAdministrator(t *testing.T) {
	s := serve(t)
	g := active(s)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/grants/"+g.ID+"/revoke", `{"reason":""}`), 422)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/grants/"+g.ID+"/revoke", ""), 400)
	if got := ok[api.Grant](s, enginetest.Carol, "POST", "/v1/grants/"+g.ID+"/revoke", `{"reason":"laptop stolen"}`); got.EndReason != "revoked" {
		t.Errorf("%+v", got)
	}
	s.gone(g.ID)
}

func TestCredentialIsSealedToItsRequester(t *testing.T) {
	s := serve(t)
	g := active(s)
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"recipient":%q}`, base64.StdEncoding.EncodeToString(key.Public()))
	path := "/v1/grants/" + g.ID + "/credential"
	a := s.call(enginetest.Alice, "POST", path, body)
	sealed := read[api.SealedCredential](t, a)
	plaintext, err := key.Open(secret.Binding{
		Tenant: access.TenantID(sealed.Tenant), Grant: access.GrantID(sealed.Grant), Attempt: sealed.Attempt,
		Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: sealed.Principal},
	}, sealed.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	var cred access.Credential
	if err := json.Unmarshal(plaintext, &cred); err != nil || cred.Password == "" {
		t.Fatalf("%v, %d bytes", err, len(plaintext))
	}
	if strings.Contains(a.body, cred.Password) {
		t.Error("the password stands in the answer")
	}
	again := ok[api.SealedCredential](s, enginetest.Alice, "POST", path, body)
	if string(again.Ciphertext) != string(sealed.Ciphertext) {
		t.Error("the same key got another credential")
	}
	refused(t, s.call(enginetest.Carol, "POST", path, body), 403)
	refused(t, s.call(enginetest.Mallory, "POST", path, body), 404)
	refused(t, s.call(enginetest.Alice, "POST", path, `{"recipient":"bm90IGEga2V5"}`), 422)
}

func TestReview(t *testing.T) {
	s := serve(t)
	r := pending(s)
	if len(r.Stages) != 1 || strings.Join(r.Stages[0].From, " ") != "group:leads" || r.Stages[0].Count != 1 || r.Why == "" {
		t.Errorf("%+v", r.Stages)
	}
	path := "/v1/requests/" + r.ID
	refused(t, s.call(enginetest.Mallory, "GET", path, ""), 404)
	refused(t, s.call(enginetest.Alice, "POST", path+"/reviews", `{"verdict":"approve"}`), 403)
	refused(t, s.call(enginetest.AliceAdmin, "POST", path+"/reviews", `{"verdict":"approve"}`), 403)
	refused(t, s.call(enginetest.AliceAgent, "POST", path+"/reviews", `{"verdict":"approve"}`), 404)
	refused(t, s.call(enginetest.Bob, "POST", path+"/reviews", `{"verdict":"maybe"}`), 422)
	refused(t, s.call(enginetest.Bob, "POST", path+"/reviews", `{"verdict":"approve","cap":"-1h"}`), 422)
	if list := ok[api.RequestList](s, enginetest.Bob, "GET", "/v1/requests?scope=to-review", ""); len(list.Items) != 1 || list.Items[0].Reason != "order 17" {
		t.Errorf("%+v", list)
	}
	got := ok[api.Request](s, enginetest.Bob, "POST", path+"/reviews", `{"verdict":"approve","cap":"10m","comment":"not longer"}`)
	if got.State != "approved" || len(got.Reviews) != 1 || got.Reviews[0].Reviewer != "bob" || got.Reviews[0].Cap != "10m0s" || got.Reviews[0].Comment != "not longer" {
		t.Errorf("%+v", got)
	}
	if d := refused(t, s.call(enginetest.Dave, "POST", path+"/reviews", `{"verdict":"deny"}`), 409); !strings.Contains(d, "already approved") {
		t.Error(d)
	}
	got = ok[api.Request](s, enginetest.Alice, "GET", path+"?wait=30s", "")
	if len(got.Grants) != 1 || got.Grants[0].Duration != "10m0s" || got.Grants[0].State != "active" {
		t.Errorf("%+v", got)
	}
}

func TestWaitEndsWithTheReview(t *testing.T) {
	s := serve(t)
	r := pending(s)
	if got := ok[api.Request](s, enginetest.Alice, "GET", "/v1/requests/"+r.ID+"?wait=1ms", ""); got.State != "pending" {
		t.Errorf("%+v", got)
	}
	settled := make(chan answer, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() { settled <- s.call(enginetest.Alice, "GET", "/v1/requests/"+r.ID+"?wait=1h", "") })
	ok[api.Request](s, enginetest.Bob, "POST", "/v1/requests/"+r.ID+"/reviews", `{"verdict":"deny"}`)
	waiting.Wait()
	if got := read[api.Request](t, <-settled); got.State != "denied" {
		t.Errorf("%+v", got)
	}
}

func TestWithdraw(t *testing.T) {
	s := serve(t)
	r := pending(s)
	refused(t, s.call(enginetest.Bob, "POST", "/v1/requests/"+r.ID+"/withdraw", ""), 404)
	if got := ok[api.Request](s, enginetest.Alice, "POST", "/v1/requests/"+r.ID+"/withdraw", ""); got.State != "withdrawn" || got.SettledAt.IsZero() {
		t.Errorf("%+v", got)
	}
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests/"+r.ID+"/withdraw", ""), 409)
}

func TestBundle(t *testing.T) {
	s := serve(t)
	r := ok[api.Request](s, enginetest.Alice, "POST", "/v1/requests", asking("bundle:incident", "10m"))
	if r.Bundle != "incident" || strings.Join(r.Entitlements, " ") != enginetest.Read+" "+enginetest.Write {
		t.Errorf("%+v", r)
	}
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", asking("bundle:", "10m")), 422)
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", asking("bundle:incidnt", "10m")), 404)
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", `{"entitlements":["bundle:incident","orders-db/orders:read"]}`), 422)
}

// A hundred reviewers at once is lesson 5: two approvals made two grants.
func TestParallelApprovalsMakeOneGrant(t *testing.T) {
	s := serve(t)
	r := pending(s)
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for i := range 100 {
		who := []string{enginetest.Bob, enginetest.Dave, enginetest.Erin}[i%3]
		all.Go(func() {
			a := s.call(who, "POST", "/v1/requests/"+r.ID+"/reviews", `{"verdict":"approve"}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	all.Wait()
	if statuses[201] != 1 || statuses[409] != 99 {
		t.Errorf("statuses: %v, want one 201 and 99 409", statuses)
	}
	got := ok[api.Request](s, enginetest.Alice, "GET", "/v1/requests/"+r.ID+"?wait=30s", "")
	if len(got.Grants) != 1 || len(got.Reviews) != 1 {
		t.Errorf("%d grants, %d reviews", len(got.Grants), len(got.Reviews))
	}
}

func TestPages(t *testing.T) {
	s := serve(t)
	for range 5 {
		pending(s)
	}
	seen := map[string]bool{}
	after := ""
	for page := 1; ; page++ {
		list := ok[api.RequestList](s, enginetest.Alice, "GET", "/v1/requests?limit=2&after="+after, "")
		for _, r := range list.Items {
			seen[r.ID] = true
		}
		if after = list.Next; after == "" {
			if page != 3 || len(seen) != 5 {
				t.Errorf("%d pages, %d requests", page, len(seen))
			}
			break
		}
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "after=nonsense", "after=" + strings.Repeat("a", 300), "scope=yours", "unknown=1"} {
		refused(t, s.call(enginetest.Alice, "GET", "/v1/requests?"+query, ""), 422)
	}
}
