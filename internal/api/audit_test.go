package api_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// checkpoint reads the newest checkpoint as anybody may, and opens it with the key beside it. What is entered waits a moment for
// one, so it waits for one of more than so many entries.
func (s *server) checkpoint(who string, more int64) (audit.Checkpoint, string) {
	s.Helper()
	got := ok[api.Checkpoint](s, who, "GET", "/v1/audit/checkpoint", "")
	for got.Size <= more {
		runtime.Gosched()
		got = ok[api.Checkpoint](s, who, "GET", "/v1/audit/checkpoint", "")
	}
	c, err := audit.OpenCheckpoint([]byte(got.Checkpoint), got.Key)
	if err != nil || c.Tree.N != got.Size || got.At.IsZero() {
		s.Fatalf("%+v: %v", got, err)
	}
	return c, got.Key
}

func TestCheckpointAndProofs(t *testing.T) {
	s := serve(t)
	if empty := ok[api.Checkpoint](s, enginetest.Mallory, "GET", "/v1/audit/checkpoint", ""); empty.Size != 0 || empty.Checkpoint != "" || empty.Key == "" {
		t.Errorf("of an empty log: %+v", empty)
	}
	active(s)
	early, _ := s.checkpoint(enginetest.Mallory, 0)
	active(s)
	late, _ := s.checkpoint(enginetest.Olga, early.Tree.N)
	if early.Tree.N == 0 || late.Tree.N <= early.Tree.N {
		t.Fatalf("checkpoints of %d and %d entries", early.Tree.N, late.Tree.N)
	}
	consistency := ok[api.Proof](s, enginetest.Olga, "GET", fmt.Sprintf("/v1/audit/consistency?from=%d&size=%d", early.Tree.N, late.Tree.N), "")
	if err := audit.CheckConsistency(proofOf(t, consistency), late.Tree, early.Tree); err != nil {
		t.Error(err)
	}
	inclusion := ok[api.Proof](s, enginetest.Olga, "GET", fmt.Sprintf("/v1/audit/inclusion?position=2&size=%d", early.Tree.N), "")
	if err := audit.CheckInclusion(tlog.RecordProof(proofOf(t, inclusion)), early.Tree, 2, []byte(inclusion.Entry)); err != nil {
		t.Error(err)
	}
	refused(t, s.call("", "GET", "/v1/audit/checkpoint", ""), 401)
	for query, status := range map[string]int{
		"inclusion": 422, "inclusion?position=0": 422, "inclusion?position=1000": 404, "inclusion?position=1&size=1000": 422,
		"consistency": 422, "consistency?from=0": 422, "consistency?from=1000": 422,
	} {
		refused(t, s.call(enginetest.Olga, "GET", "/v1/audit/"+query, ""), status)
	}
	refused(t, s.call(enginetest.Alice, "GET", "/v1/audit/inclusion?position=1", ""), 403)
	refused(t, s.call(enginetest.Alice, "GET", "/v1/audit/consistency?from=1", ""), 403)
}

func proofOf(t *testing.T, p api.Proof) tlog.TreeProof {
	t.Helper()
	proof := make(tlog.TreeProof, len(p.Proof))
	for i, text := range p.Proof {
		var err error
		if proof[i], err = tlog.ParseHash(text); err != nil {
			t.Fatal(err)
		}
	}
	return proof
}

func TestExport(t *testing.T) {
	s := serve(t)
	refused(t, s.call(enginetest.Olga, "GET", "/v1/audit/export", ""), 404)
	g := active(s)
	checkpoint, key := s.checkpoint(enginetest.Olga, 0)
	for query, selected := range map[string]bool{"": false, "?grant=" + g.ID: true, "?kind=grant.active&since=2000-01-01T00:00:00Z": true, "?from=2&to=3": false} {
		answer := s.call(enginetest.Olga, "GET", "/v1/audit/export"+query, "")
		if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/jsonl" {
			t.Fatalf("%d %s", answer.status, answer.header)
		}
		r, err := audit.VerifyExport(strings.NewReader(answer.body), []string{key}, []audit.Checkpoint{checkpoint}, nil)
		if err != nil || len(r.Problems) > 0 || r.Entries == 0 || r.Selected != selected {
			t.Errorf("%s: %+v, %v", query, r, err)
		}
	}
	refused(t, s.call(enginetest.Alice, "GET", "/v1/audit/export", ""), 403)
	refused(t, s.call("", "GET", "/v1/audit/export", ""), 401)
	refused(t, s.call(enginetest.Olga, "GET", "/v1/audit/export?since=yesterday", ""), 422)
	refused(t, s.call(enginetest.Olga, "GET", "/v1/audit/export?from=3&to=1", ""), 422)
}

func TestEventsOfAKind(t *testing.T) {
	s := serve(t)
	g := active(s)
	for query, want := range map[string]string{
		"kind=grant.active": "grant.active", "kind=request.&limit=1": "request.submitted", "grant=" + g.ID + "&kind=grant.scheduled": "grant.scheduled",
		"request=" + g.Request + "&kind=request.approved": "request.approved", "actor=alice&limit=1": "request.submitted", "subject=alice&kind=grant.active": "grant.active",
	} {
		list := ok[api.EventList](s, enginetest.Olga, "GET", "/v1/events?wait=30s&"+query, "")
		if len(list.Items) != 1 || list.Items[0].Kind != want {
			t.Errorf("%s: %+v", query, list.Items)
		}
	}
	for _, query := range []string{"kind=request", "actor=bob", "subject=bob", "grant=gr_none", "request=req_none"} {
		if list := ok[api.EventList](s, enginetest.Olga, "GET", "/v1/events?"+query, ""); len(list.Items) != 0 {
			t.Errorf("%s: %+v", query, list.Items)
		}
	}
	refused(t, s.call(enginetest.Olga, "GET", "/v1/events?actor=/", ""), 422)
}
