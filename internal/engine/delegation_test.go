package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// delegates has one review in the stead of another for a day.
func delegates(t *testing.T, w *World, absent, to string) access.Delegation {
	t.Helper()
	d, err := w.Engine.Delegate(t.Context(), w.Who(absent), engine.DelegationOrder{To: w.Who(to).ID, Until: time.Now().Add(2 * time.Hour), Reason: "on leave"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return d
}

func TestADelegateReviews(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		_, err := review(t, w, Mallory, v.Request.ID, approve)
		wantKind(t, err, access.KindNotFound)
		d := delegates(t, w, Bob, Mallory)
		if n := toReview(t, w, Mallory); n != 1 {
			t.Errorf("the delegate has %d requests to review", n)
		}
		if r, err := review(t, w, Mallory, v.Request.ID, approve); err != nil || r.State != access.RequestApproved {
			t.Fatalf("reviewed by the delegate it is %s, %v", r.State, err)
		}
		v = see(t, w, Alice, v.Request.ID)
		if rv := v.Reviews[0]; rv.Delegation != d.ID || rv.InSteadOf != w.Who(Bob).ID || rv.Reviewer != w.Who(Mallory).ID {
			t.Errorf("the review is %+v", rv)
		}
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("the grant is %s", g.State)
		}
		// What has begun on it does not end with the delegation.
		time.Sleep(30 * time.Minute)
		if _, err := w.Engine.EndDelegation(t.Context(), w.Who(Bob), d.ID); err != nil {
			t.Fatal(err)
		}
		reload(t, w, func(*engine.Rules) {})
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("after the delegation the grant is %s (%s)", g.State, g.EndReason)
		}
	})
}

// Who reviews for two who are absent takes the seat of the other, where one of them has reviewed all the same.
func TestADelegateOfTwoTakesTheFreeSeat(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		delegates(t, w, Bob, Mallory)
		time.Sleep(time.Minute)
		later := delegates(t, w, Dave, Mallory)
		v := ask(t, w, Alice, Drop, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		r, err := review(t, w, Mallory, v.Request.ID, approve)
		if err != nil || r.State != access.RequestApproved {
			t.Fatalf("it is %s, %v", r.State, err)
		}
		if rv := see(t, w, Carol, r.ID).Reviews[1]; rv.Delegation != later.ID {
			t.Errorf("the review is by %s, in the stead of %s", rv.Delegation, rv.InSteadOf)
		}
	})
}

// A delegation that is ended while access is about to begin ends before it begins.
func TestADelegationEndsMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		d := delegates(t, w, Bob, Mallory)
		v := ask(t, w, Alice, Write, time.Hour)
		w.BeforeTransaction("activate", func() {
			if _, err := w.Engine.EndDelegation(t.Context(), w.Who(Bob), d.ID); err != nil {
				t.Error(err)
			}
		})
		if _, err := review(t, w, Mallory, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		g := grantOf(t, w, see(t, w, Alice, v.Request.ID))
		if g.State != access.GrantEnded || g.EndReason != access.EndIneligible || !g.ActivatedAt.IsZero() {
			t.Errorf("the grant is %s (%s), begun at %s", g.State, g.EndReason, g.ActivatedAt)
		}
	})
}

func TestWhoMayDelegate(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		now := time.Now()
		day := now.Add(24 * time.Hour)
		static := func(name string) access.PrincipalID {
			return access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}
		}
		for name, c := range map[string]struct {
			who   string
			order engine.DelegationOrder
			kind  access.Kind
		}{
			"an agent":          {AliceAgent, engine.DelegationOrder{To: static(Bob), Until: day, Reason: "x"}, access.KindDenied},
			"to an agent":       {Bob, engine.DelegationOrder{To: static(AliceAgent), Until: day, Reason: "x"}, access.KindInvalid},
			"to oneself":        {Bob, engine.DelegationOrder{To: static(Bob), Until: day, Reason: "x"}, access.KindInvalid},
			"to one's other":    {Alice, engine.DelegationOrder{To: static(AliceAdmin), Until: day, Reason: "x"}, access.KindInvalid},
			"to nobody":         {Bob, engine.DelegationOrder{To: static("nobody"), Until: day, Reason: "x"}, access.KindInvalid},
			"without a reason":  {Bob, engine.DelegationOrder{To: static(Dave), Until: day}, access.KindInvalid},
			"a NUL as a reason": {Bob, engine.DelegationOrder{To: static(Dave), Until: day, Reason: "\x00"}, access.KindInvalid},
			"without an end":    {Bob, engine.DelegationOrder{To: static(Dave), Reason: "x"}, access.KindInvalid},
			"backwards":         {Bob, engine.DelegationOrder{To: static(Dave), From: day, Until: now.Add(time.Hour), Reason: "x"}, access.KindInvalid},
			"in the past":       {Bob, engine.DelegationOrder{To: static(Dave), From: now.Add(-time.Hour), Until: day, Reason: "x"}, access.KindInvalid},
			"too long":          {Bob, engine.DelegationOrder{To: static(Dave), Until: now.Add(access.MaxDelegation + time.Second), Reason: "x"}, access.KindInvalid},
			"too far ahead":     {Bob, engine.DelegationOrder{To: static(Dave), From: now.Add(access.MaxAhead + time.Second), Until: now.Add(access.MaxAhead + time.Hour), Reason: "x"}, access.KindInvalid},
		} {
			if _, err := w.Engine.Delegate(t.Context(), w.Who(c.who), c.order); !is(err, c.kind) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range access.MaxDelegations {
			delegates(t, w, Bob, Dave)
		}
		_, err := w.Engine.Delegate(t.Context(), w.Who(Bob), engine.DelegationOrder{To: static(Dave), Until: day, Reason: "x"})
		wantKind(t, err, access.KindExhausted)
	})
}

// A delegate stays under every rule for reviewers, and so does who is absent.
func TestWhomADelegateMayNotReview(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		delegates(t, w, Bob, Alice)    // the requester
		delegates(t, w, Dave, Carol)   // another
		delegates(t, w, Carol, Olga)   // the delegate's delegate
		delegates(t, w, Erin, Mallory) // in the stead of who asks below
		v := ask(t, w, Alice, Write, time.Hour)
		for _, who := range []string{Alice, AliceAdmin} {
			_, err := review(t, w, who, v.Request.ID, approve)
			wantKind(t, err, access.KindDenied)
		}
		_, err := review(t, w, AliceAgent, v.Request.ID, approve)
		wantKind(t, err, access.KindNotFound)
		if n := toReview(t, w, Olga); n != 0 {
			t.Error("a delegation is passed on")
		}
		_, err = review(t, w, Olga, v.Request.ID, approve)
		wantKind(t, err, access.KindDenied)

		r, err := inTheNameOf(t, w, Alice, Erin)
		if err != nil {
			t.Fatal(err)
		}
		// Erin asked, so that nobody reviews it in her stead.
		_, err = review(t, w, Mallory, r.ID, approve)
		wantKind(t, err, access.KindNotFound)
		if _, err := review(t, w, Carol, r.ID, approve); err != nil {
			t.Error(err)
		}
	})
}

// A seat is one, and so is a human: neither the absent one and the delegate, nor a delegate who stands there already, are two.
func TestASeatCountsOnce(t *testing.T) {
	for name, reviews := range map[string][]string{
		"the delegate and the absent": {Mallory, Bob},
		"the absent and the delegate": {Bob, Mallory},
		"one who stands there anyway": {Dave, Dave},
		"two delegates of one":        {Mallory, Carol},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				delegates(t, w, Bob, Mallory)
				delegates(t, w, Bob, Dave)
				delegates(t, w, Bob, Carol)
				v := ask(t, w, Alice, Drop, time.Hour)
				if _, err := review(t, w, reviews[0], v.Request.ID, approve); err != nil {
					t.Fatal(err)
				}
				_, _ = review(t, w, reviews[1], v.Request.ID, approve) // refused, or counts for nothing
				if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestPending {
					t.Errorf("it is %s", v.Request.State)
				}
				if r, err := review(t, w, Erin, v.Request.ID, approve); err != nil || r.State != access.RequestApproved {
					t.Errorf("with another it is %s, %v", r.State, err)
				}
			})
		})
	}
}

// What was agreed in somebody's stead holds until access begins only while the delegation does, and both are there.
func TestADelegatesReviewLapses(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *World, d access.Delegation){
		"the delegation is over": func(*testing.T, *World, access.Delegation) {},
		"ended early":            endsEarly(Bob),
		"declined":               endsEarly(Mallory),
		"by an administrator":    endsEarly(Carol),
		"the absent one leaves":  func(_ *testing.T, w *World, _ access.Delegation) { w.Leaves(Bob) },
		"the delegate leaves":    func(_ *testing.T, w *World, _ access.Delegation) { w.Leaves(Mallory) },
		"the absent one leads no more": func(t *testing.T, w *World, _ access.Delegation) {
			reload(t, w, func(r *engine.Rules) {
				r.Directory = people(t, func(all []directory.Entry) []directory.Entry {
					for i := range all {
						if all[i].Principal.ID.Subject == Bob {
							all[i].Principal.Groups = nil
						}
					}
					return all
				})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				start := time.Hour
				if name == "the delegation is over" {
					start = 3 * time.Hour
				}
				d := delegates(t, w, Bob, Mallory)
				v := askFor(t, w, Write, time.Now().Add(start))
				if _, err := review(t, w, Mallory, v.Request.ID, approve); err != nil {
					t.Fatal(err)
				}
				change(t, w, d)
				time.Sleep(start + time.Minute)
				synctest.Wait()
				if v = see(t, w, Alice, v.Request.ID); v.Grants[0].EndReason != access.EndIneligible {
					t.Errorf("the grant is %s (%s)", v.Grants[0].State, v.Grants[0].EndReason)
				}
			})
		})
	}
}

func endsEarly(by string) func(*testing.T, *World, access.Delegation) {
	return func(t *testing.T, w *World, d access.Delegation) {
		t.Helper()
		for _, other := range []string{Dave, AliceAgent} {
			_, err := w.Engine.EndDelegation(t.Context(), w.Who(other), d.ID)
			wantKind(t, err, access.KindNotFound)
		}
		_, err := w.Engine.EndDelegation(t.Context(), w.Who(Olga), d.ID)
		wantKind(t, err, access.KindDenied)
		if d, err = w.Engine.EndDelegation(t.Context(), w.Who(by), d.ID); err != nil || d.EndedBy != w.Who(by).ID {
			t.Errorf("ended it is %+v, %v", d, err)
		}
	}
}

func TestADelegationHasItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		_, err := w.Engine.Delegate(t.Context(), w.Who(Bob), engine.DelegationOrder{
			To: w.Who(Mallory).ID, From: time.Now().Add(time.Hour), Until: time.Now().Add(90 * time.Minute), Reason: "lunch",
		})
		if err != nil {
			t.Fatal(err)
		}
		v := ask(t, w, Alice, Write, time.Hour)
		_, err = review(t, w, Mallory, v.Request.ID, approve)
		wantKind(t, err, access.KindNotFound)
		time.Sleep(time.Hour)
		if n := toReview(t, w, Mallory); n != 1 {
			t.Errorf("in its time the delegate has %d requests to review", n)
		}
		time.Sleep(30 * time.Minute)
		_, err = review(t, w, Mallory, v.Request.ID, deny)
		wantKind(t, err, access.KindNotFound)
	})
}

func TestAStageMayRefuseDelegates(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		delegates(t, w, Bob, Mallory)
		v := ask(t, w, Alice, Write, time.Hour)
		for _, o := range []engine.Opinion{approve, deny} {
			_, err := review(t, w, Mallory, v.Request.ID, o)
			wantKind(t, err, access.KindNotFound)
		}
	}, WithPolicies(reviewed(policy.Stage{From: []string{"group:leads"}, Count: 1, NoDelegates: true})))
}

// A delegate denies like who is absent would.
func TestADelegateDenies(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		delegates(t, w, Bob, Mallory)
		v := ask(t, w, Alice, Drop, time.Hour)
		if r, err := review(t, w, Mallory, v.Request.ID, deny); err != nil || r.State != access.RequestDenied {
			t.Errorf("it is %s, %v", r.State, err)
		}
	})
}

// Who has left has nobody review in their stead, and reviews in nobody's: the books say so after the next reload.
func TestDelegationsEndWithTheirPeople(t *testing.T) {
	for _, leaver := range []string{Bob, Mallory} {
		bubble(t, func(t *testing.T, w *World) {
			kept, gone := delegates(t, w, Dave, Carol), delegates(t, w, Bob, Mallory)
			w.Leaves(leaver)
			reload(t, w, func(*engine.Rules) {})
			all, _, err := w.Engine.Delegations(t.Context(), w.Who(Olga), engine.DelegationsAll, store.Page{Limit: 10})
			if err != nil || len(all) != 2 || all[0].ID != gone.ID || all[0].EndedAt.IsZero() || !all[0].EndedBy.IsZero() || !cmp.Equal(all[1], kept) {
				t.Errorf("when %s has left they are %+v, %v", leaver, all, err)
			}
		})
	}
}

func TestWhoseDelegationsOneSees(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		d := delegates(t, w, Bob, Mallory)
		list := func(who string, scope engine.DelegationScope) int {
			items, _, err := w.Engine.Delegations(t.Context(), w.Who(who), scope, store.Page{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range items {
				if !cmp.Equal(one, d) {
					t.Errorf("%s sees %+v", who, one)
				}
			}
			return len(items)
		}
		for _, c := range []struct {
			who   string
			scope engine.DelegationScope
			want  int
		}{
			{Bob, engine.DelegationsMade, 1}, {Bob, engine.DelegationsReceived, 0}, {Mallory, engine.DelegationsReceived, 1},
			{Mallory, engine.DelegationsMade, 0}, {Dave, engine.DelegationsMade, 0}, {Olga, engine.DelegationsAll, 1},
		} {
			if got := list(c.who, c.scope); got != c.want {
				t.Errorf("%s sees %d in scope %d, want %d", c.who, got, c.scope, c.want)
			}
		}
		_, _, err := w.Engine.Delegations(t.Context(), w.Who(Dave), engine.DelegationsAll, store.Page{Limit: 10})
		wantKind(t, err, access.KindDenied)
	})
}
