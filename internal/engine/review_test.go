package engine_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

func review(t *testing.T, w *World, who string, id access.RequestID, o engine.Opinion) (access.Request, error) {
	t.Helper()
	r, err := w.Engine.Review(t.Context(), w.Who(who), id, o)
	synctest.Wait()
	return r, err
}

var approve, deny = engine.Opinion{Verdict: access.Approve}, engine.Opinion{Verdict: access.Deny}

func TestWhoMayReview(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		if v.Request.State != access.RequestPending || len(v.Grants) != 0 {
			t.Fatalf("the request is %s with %d grants", v.Request.State, len(v.Grants))
		}
		for who, c := range map[string]struct {
			why  string
			kind access.Kind
		}{
			Alice: {"herself", access.KindDenied}, AliceAdmin: {"herself under another account, which leads and administers", access.KindDenied},
			AliceAgent: {"her agent, which leads", access.KindNotFound}, Carol: {"an administrator who does not lead", access.KindDenied},
			Mallory: {"nobody", access.KindNotFound}, Olga: {"an auditor", access.KindDenied},
		} {
			_, err := review(t, w, who, v.Request.ID, approve)
			if !is(err, c.kind) {
				t.Errorf("%s (%s) reviewed: %v", who, c.why, err)
			}
		}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("after the review the grant is %s", g.State)
		}
		_, err := review(t, w, Dave, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		_, err = review(t, w, Dave, v.Request.ID, deny)
		wantKind(t, err, access.KindConflict)
		if v = see(t, w, Alice, v.Request.ID); len(v.Reviews) != 1 || len(v.Grants) != 1 {
			t.Errorf("a second review changed something: %d reviews, %d grants", len(v.Reviews), len(v.Grants))
		}
	})
}

func is(err error, kind access.Kind) bool { return err != nil && access.KindOf(err) == kind }

func TestTwoReviewsByTwoPersons(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Drop, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, engine.Opinion{Verdict: access.Approve, Cap: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		_, err := review(t, w, Bob, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestPending {
			t.Fatalf("one person makes the request %s", v.Request.State)
		}
		if _, err := review(t, w, Dave, v.Request.ID, engine.Opinion{Verdict: access.Approve, Cap: 20 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.Duration != 10*time.Minute {
			t.Errorf("the grant lives %s, want the shortest cap", g.Duration)
		}
	})
}

func TestDenyEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Drop, time.Hour)
		r, err := review(t, w, Bob, v.Request.ID, deny)
		if err != nil || r.State != access.RequestDenied {
			t.Fatalf("denied: %s, %v", r.State, err)
		}
		_, err = review(t, w, Dave, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
	})
}

// A hundred approvals at once, by three people: one grant, one deadline, and everyone but one is told that it changed
// nothing.
func TestHundredApprovalsAtOnce(t *testing.T) {
	w := New(t)
	w.Run()
	ctx := t.Context()
	r, err := w.Engine.Submit(ctx, w.Who(Alice), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	var counted atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		who := w.Who([]string{Bob, Dave, Erin}[i%3])
		all.Go(func() {
			_, err := w.Engine.Review(ctx, who, r.ID, approve)
			switch {
			case err == nil:
				counted.Add(1)
			case !is(err, access.KindConflict):
				t.Errorf("review: %v", err)
			}
		})
	}
	all.Wait()
	v, err := w.Engine.WaitRequest(ctx, w.Who(Alice), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if counted.Load() != 1 || len(v.Reviews) != 1 || len(v.Grants) != 1 || v.Grants[0].State != access.GrantActive {
		t.Errorf("%d approvals counted, %d reviews, %d grants", counted.Load(), len(v.Reviews), len(v.Grants))
	}
	if n := len(w.Target.Accounts()); n != 2 {
		t.Errorf("%d accounts at the target, want Curfew's and one more", n)
	}
}

func TestWithdrawAndLapse(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		_, err := w.Engine.Withdraw(t.Context(), w.Who(Bob), v.Request.ID)
		wantKind(t, err, access.KindNotFound)
		if r, err := w.Engine.Withdraw(t.Context(), w.Who(Alice), v.Request.ID); err != nil || r.State != access.RequestWithdrawn {
			t.Fatalf("withdrawn: %s, %v", r.State, err)
		}
		_, err = review(t, w, Bob, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)

		v = ask(t, w, Alice, Write, time.Hour)
		time.Sleep(2 * time.Hour)
		_, err = w.Engine.Review(t.Context(), w.Who(Bob), v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		synctest.Wait()
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestLapsed {
			t.Errorf("after its time the request is %s", v.Request.State)
		}
	})
}

func TestDeniedByPolicyIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for _, c := range []struct {
			who, entitlement, reason string
			d                        time.Duration
			why                      string
		}{
			{Mallory, Read, "x", time.Hour, ""},
			{Alice, Archive, "x", time.Hour, ""},
			{Alice, Read, "", time.Hour, "reason"},
			{Alice, Read, "x", 5 * time.Hour, "4h"},
		} {
			r, err := w.Engine.Submit(t.Context(), w.Who(c.who), engine.Submission{
				Entitlements: []access.Entitlement{Entitlement(c.entitlement)}, Duration: c.d, Reason: c.reason,
			})
			if err != nil {
				t.Fatal(err)
			}
			v := see(t, w, c.who, r.ID)
			if r.State != access.RequestDenied || len(v.Grants) != 0 || !strings.Contains(v.Decision.Why, c.why) {
				t.Errorf("%+v: %s, %d grants, why: %s", c, r.State, len(v.Grants), v.Decision.Why)
			}
		}
	})
}

func TestOneDenialDeniesTheBundle(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read), Entitlement(Archive)}, Reason: "x",
		})
		if err != nil || r.State != access.RequestDenied {
			t.Errorf("half of it is allowed: %s, %v", r.State, err)
		}
	})
}

func TestSubmissionsThatMakeNoSense(t *testing.T) {
	w := New(t)
	one := []access.Entitlement{Entitlement(Read)}
	many := make([]access.Entitlement, 10_000)
	for i := range many {
		many[i] = Entitlement(Read)
	}
	params := map[string]string{}
	for i := range access.MaxParams + 1 {
		params[strings.Repeat("p", i+1)] = ""
	}
	for name, s := range map[string]engine.Submission{
		"nothing":            {Reason: "x"},
		"ten thousand":       {Entitlements: many, Reason: "x"},
		"twice the same":     {Entitlements: append(one, one...), Reason: "x"},
		"bundle and more":    {Entitlements: one, Bundle: "incident"},
		"negative duration":  {Entitlements: one, Duration: -time.Hour},
		"half a second":      {Entitlements: one, Duration: time.Second / 2},
		"ten years":          {Entitlements: one, Duration: 10 * 365 * 24 * time.Hour},
		"a reason of 1 MB":   {Entitlements: one, Reason: strings.Repeat("x", 1<<20)},
		"NUL in the reason":  {Entitlements: one, Reason: "a\x00b"},
		"not UTF-8":          {Entitlements: one, Reason: "\xff"},
		"a ticket of 1 kB":   {Entitlements: one, Ticket: strings.Repeat("x", 1024)},
		"too many params":    {Entitlements: one, Params: params},
		"a long param":       {Entitlements: one, Params: map[string]string{"p": strings.Repeat("x", 4096)}},
		"a broken recipient": {Entitlements: one, Recipient: []byte("key")},
	} {
		_, err := w.Engine.Submit(t.Context(), w.Who(Alice), s)
		if !is(err, access.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	_, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Bundle: "incidents", Reason: "x"})
	wantKind(t, err, access.KindNotFound)
	if !strings.Contains(access.SafeMessage(err), `"incident"`) {
		t.Errorf("the near miss is not named: %v", err)
	}
	items, _, err := w.Engine.Requests(t.Context(), w.Who(Carol), engine.All, store.Page{Limit: 10})
	if err != nil || len(items) != 0 {
		t.Errorf("%d requests were kept, %v", len(items), err)
	}
}

func TestWhoSeesWhat(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx := t.Context()
		v := ask(t, w, Alice, Write, time.Hour)
		for who, want := range map[string]bool{Alice: true, AliceAdmin: true, Bob: true, Carol: true, Olga: true, Mallory: false, AliceAgent: false} {
			_, err := w.Engine.Request(ctx, w.Who(who), v.Request.ID)
			if want && err != nil || !want && !is(err, access.KindNotFound) {
				t.Errorf("%s reads the request: %v", who, err)
			}
		}
		page := store.Page{Limit: 10}
		for who, want := range map[string]int{Bob: 1, Dave: 1, AliceAdmin: 0, AliceAgent: 0, Carol: 0} {
			items, _, err := w.Engine.Requests(ctx, w.Who(who), engine.ToReview, page)
			if err != nil || len(items) != want {
				t.Errorf("%s has %d requests to review, want %d: %v", who, len(items), want, err)
			}
		}
		_, _, err := w.Engine.Requests(ctx, w.Who(Bob), engine.All, page)
		wantKind(t, err, access.KindDenied)
		_, _, err = w.Engine.Grants(ctx, w.Who(Bob), engine.All, true, page)
		wantKind(t, err, access.KindDenied)
		_, err = w.Engine.Request(ctx, w.Who(Carol), "req_unknown")
		wantKind(t, err, access.KindNotFound)
	})
}

func TestEntitlements(t *testing.T) {
	w := New(t)
	offers, err := w.Engine.Entitlements(t.Context(), w.Who(Alice), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range offers {
		got = append(got, o.Entitlement.String()+" "+string(o.Verdict)+" "+o.MaxDuration.String()+" "+strings.Join(o.Reviewers, ","))
	}
	want := []string{
		"orders-db/orders:drop review 1h0m0s group:static/leads",
		"orders-db/orders:read auto 4h0m0s ",
		"orders-db/orders:write review 1h0m0s group:static/leads",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if offers, _ = w.Engine.Entitlements(t.Context(), w.Who(Alice), []string{"ARCH"}, true); len(offers) != 1 {
		t.Errorf("%d offers match ARCH with what is denied", len(offers))
	}
	if offers, _ = w.Engine.Entitlements(t.Context(), w.Who(Mallory), nil, false); offers == nil || len(offers) != 0 {
		t.Errorf("Mallory is offered %v", offers)
	}
}
