package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// reviewed is a policy on writing with these stages, for everybody.
func reviewed(stages ...policy.Stage) policy.Policy {
	return policy.Policy{
		Name: "reviewed", Effect: policy.EffectAllow, Who: []string{"anyone"}, What: []string{"orders-db/**:*"}, MaxDuration: time.Hour, Stages: stages,
	}
}

func byManager() Option {
	return WithPolicies(reviewed(policy.Stage{From: []string{"manager-of-requester"}, Count: 1, Within: 2 * time.Hour}))
}

func TestTheManagerReviews(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		for _, who := range []string{Bob, AliceAgent, Mallory} {
			_, err := review(t, w, who, v.Request.ID, approve)
			wantKind(t, err, access.KindNotFound)
		}
		_, err := review(t, w, AliceAdmin, v.Request.ID, approve)
		wantKind(t, err, access.KindDenied)
		if _, err := review(t, w, Erin, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("after her manager's review the grant is %s", g.State)
		}
		if v = ask(t, w, AliceAgent, Write, time.Hour); v.Request.State != access.RequestPending || len(v.Open) != 1 || v.Open[0].From[0] != "principal:static/erin" {
			t.Errorf("her agent's request is %s and waits for %v, want her manager", v.Request.State, v.Open)
		}
	}, byManager())
}

func TestNobodyWithoutAManager(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Bob, Write, time.Hour)
		if v.Request.State != access.RequestDenied || !strings.Contains(v.Decision.Why, "the directory names none; tell an administrator") {
			t.Errorf("without a manager the request is %s: %s", v.Request.State, v.Decision.Why)
		}
		w.Leaves(Erin)
		if v = ask(t, w, Alice, Write, time.Hour); v.Request.State != access.RequestDenied {
			t.Errorf("with a manager who has left the request is %s: %s", v.Request.State, v.Decision.Why)
		}
	}, byManager())
}

// Whoever is no longer the manager has agreed for nothing: what counts is who it is when access begins.
func TestANewManagerBeforeActivation(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Start: time.Now().Add(2 * time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := review(t, w, Erin, r.ID, approve); err != nil {
			t.Fatal(err)
		}
		reload(t, w, func(rules *engine.Rules) {
			people := People()
			for i := range people {
				if people[i].Principal.ID.Subject == Alice {
					people[i].Principal.Manager.Subject = Bob
				}
			}
			if rules.Directory, err = directory.New(directory.Config{Entries: people}); err != nil {
				t.Fatal(err)
			}
		})
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		v, err := w.Engine.Request(t.Context(), w.Who(Alice), r.ID)
		if err != nil || len(v.Grants) != 1 || v.Grants[0].State != access.GrantEnded || v.Grants[0].EndReason != access.EndIneligible {
			t.Errorf("reviewed by the former manager it came to %+v, %v", v.Grants, err)
		}
	}, byManager())
}

func TestTheOwnerReviews(t *testing.T) {
	owners := connector.Owners{All: []string{"principal:static/dave"}, Of: map[string][]string{"archive": {"group:static/platform"}}}
	byOwner := reviewed(policy.Stage{From: []string{"owner-of-resource"}, Count: 1, Within: 2 * time.Hour})
	bubble(t, func(t *testing.T, w *World) {
		for entitlement, c := range map[string]struct{ owner, other string }{Write: {Dave, Erin}, Archive: {Carol, Bob}} {
			v := ask(t, w, Alice, entitlement, time.Hour)
			_, err := review(t, w, c.other, v.Request.ID, approve)
			wantKind(t, err, access.KindNotFound)
			if r, err := review(t, w, c.owner, v.Request.ID, approve); err != nil || r.State != access.RequestApproved {
				t.Errorf("%s reviewed by its owner %s is %s, %v", entitlement, c.owner, r.State, err)
			}
		}
	}, WithOwners(owners), WithPolicies(byOwner))
	bubble(t, func(t *testing.T, w *World) {
		if v := ask(t, w, Alice, Write, time.Hour); v.Request.State != access.RequestDenied || !strings.Contains(v.Decision.Why, "the resource has none") {
			t.Errorf("without an owner the request is %s: %s", v.Request.State, v.Decision.Why)
		}
	}, WithPolicies(byOwner))
}

// fallingBack waits two hours for the leads, and then as long again for the platform as well.
func fallingBack() Option {
	return WithPolicies(reviewed(
		policy.Stage{
			From: []string{"group:leads"}, Count: 2, Within: 2 * time.Hour,
			Fallback: &policy.Fallback{From: []string{"group:platform"}, Within: 2 * time.Hour},
		},
		policy.Stage{
			From: []string{"principal:olga"}, Count: 1, Within: time.Hour,
			Fallback: &policy.Fallback{From: []string{"principal:mallory"}, Within: time.Hour},
		},
	))
}

func TestFallback(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		begin := time.Now()
		v := ask(t, w, Alice, Write, time.Hour)
		if want := begin.Add(6 * time.Hour); !v.Request.LapsesAt.Equal(want) {
			t.Errorf("it lapses at %s, want %s: all that its stages wait", v.Request.LapsesAt, want)
		}
		if want := begin.Add(2 * time.Hour); !v.Open[0].FallbackAt.Equal(want) {
			t.Errorf("it falls back at %s, want %s", v.Open[0].FallbackAt, want)
		}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour - time.Microsecond)
		for _, o := range []engine.Opinion{approve, deny} {
			_, err := review(t, w, Carol, v.Request.ID, o)
			wantKind(t, err, access.KindDenied)
		}
		if n := toReview(t, w, Carol); n != 0 {
			t.Errorf("before its time the fallback has %d requests to review", n)
		}
		time.Sleep(time.Microsecond)
		if n := toReview(t, w, Carol); n != 1 {
			t.Errorf("in its time the fallback has %d requests to review", n)
		}
		// Her other account is in the fallback, and still hers.
		_, err := review(t, w, AliceAdmin, v.Request.ID, approve)
		wantKind(t, err, access.KindDenied)
		if _, err := review(t, w, Carol, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		// The second stage has its own time, from when the first was met.
		_, err = review(t, w, Mallory, v.Request.ID, approve)
		wantKind(t, err, access.KindDenied)
		time.Sleep(time.Hour)
		if r, err := review(t, w, Mallory, v.Request.ID, approve); err != nil || r.State != access.RequestApproved {
			t.Fatalf("after both fallbacks it is %s, %v", r.State, err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("the grant is %s", g.State)
		}
	}, fallingBack())
}

func toReview(t *testing.T, w *World, who string) int {
	t.Helper()
	items, _, err := w.Engine.Requests(t.Context(), w.Who(who), engine.ToReview, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return len(items)
}

// Those who were asked first may answer late as well, and when nobody does it is over.
func TestFallbackIsBesides(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		time.Sleep(3 * time.Hour)
		for _, who := range []string{Bob, Dave, Olga} {
			if _, err := review(t, w, who, v.Request.ID, approve); err != nil {
				t.Errorf("%s: %v", who, err)
			}
		}
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestApproved {
			t.Errorf("reviewed late it is %s", v.Request.State)
		}
		v = ask(t, w, Alice, Write, time.Hour)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestLapsed {
			t.Errorf("after all its time it is %s", v.Request.State)
		}
	}, fallingBack())
}
