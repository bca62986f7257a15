package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// sso is a source of identities beside the configuration.
const sso = "sso"

// provided are the company's policies with the source's groups in them.
func provided() []policy.Policy {
	all := Policies()
	for i := range all {
		all[i].Who = append(all[i].Who, "group:sso/engineering")
		for k := range all[i].Stages {
			all[i].Stages[k].From = append(all[i].Stages[k].From, "group:sso/leads")
		}
	}
	return all
}

// told is a bubble in which the source has told of Erin, who is an engineer.
func told(t *testing.T, test func(t *testing.T, w *World, erin access.Principal)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *World) { test(t, w, tell(t, w, "engineering")) }, WithPolicies(provided()...))
}

// tell has the source say which groups Erin has, and returns her as the directory knows her then.
func tell(t *testing.T, w *World, groups ...string) access.Principal {
	t.Helper()
	return tellOf(t, w, "00u-erin", groups...)
}

// tellOf has the source say which groups somebody has.
func tellOf(t *testing.T, w *World, subject string, groups ...string) access.Principal {
	t.Helper()
	var p access.Profile
	err := w.Engine.Change(t.Context(), "test", func(tx store.Tx, enter func(access.Event) error) (err error) {
		p, err = w.Registrar.Tell(tx, enter, sso, identity.Account{Subject: subject, Name: subject, Groups: groups})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Principal
}

// leave has the source say that Erin is there no more.
func leave(t *testing.T, w *World, id access.PrincipalID) {
	t.Helper()
	err := w.Engine.Change(t.Context(), "test", func(tx store.Tx, enter func(access.Event) error) error {
		return w.Registrar.Gone(tx, enter, id)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// submit has a principal ask.
func submit(t *testing.T, w *World, who access.Principal, entitlement string, start time.Time) access.Request {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), who, engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: time.Hour, Reason: "test", Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// Whoever leaves a group, or the company, loses what they have at once, and what they wait for.
func TestPeopleChange(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *World, access.Principal){
		"out of the group": func(t *testing.T, w *World, _ access.Principal) { tell(t, w, "sales") },
		"gone":             func(t *testing.T, w *World, erin access.Principal) { leave(t, w, erin.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T, w *World, erin access.Principal) {
				live, later := submit(t, w, erin, Read, time.Time{}), submit(t, w, erin, Read, time.Now().Add(time.Hour))
				waits := submit(t, w, erin, Write, time.Time{})
				before := time.Now()
				change(t, w, erin)
				synctest.Wait()
				if waited := time.Since(before); waited != 0 {
					t.Errorf("it took %s", waited)
				}
				for _, r := range []access.Request{live, later} {
					for _, g := range see(t, w, Carol, r.ID).Grants {
						wantEnded(t, g, access.EndIneligible)
					}
				}
				if r := see(t, w, Carol, waits.ID).Request; r.State != access.RequestDenied {
					t.Errorf("what waits for a review is %s", r.State)
				}
				if left := undecided(t, w); left != 0 {
					t.Errorf("%d profiles are undecided still", left)
				}
				if n := len(w.Target.Accounts()); n != 1 {
					t.Errorf("%d accounts are left at the target", n)
				}
			})
		})
	}
}

func undecided(t *testing.T, w *World) (n int) {
	t.Helper()
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		list, err := tx.Profiles().Undecided(access.DefaultTenant, 10)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What is allowed as before stays, whatever else changes of somebody.
func TestPeopleKeep(t *testing.T) {
	told(t, func(t *testing.T, w *World, erin access.Principal) {
		live := submit(t, w, erin, Read, time.Time{})
		waits := submit(t, w, erin, Write, time.Time{})
		tell(t, w, "engineering", "sales")
		synctest.Wait()
		if g := see(t, w, Carol, live.ID).Grants[0]; g.State != access.GrantActive {
			t.Errorf("the grant is %s (%s)", g.State, g.EndReason)
		}
		if r := see(t, w, Carol, waits.ID).Request; r.State != access.RequestPending {
			t.Errorf("what waits for a review is %s", r.State)
		}
	})
}

// Somebody leaves while a decision on what they ask for is under way: nothing begins.
func TestPeopleLeaveMeanwhile(t *testing.T) {
	for name, moment := range map[string]store.TxName{"at the request": "submit", "at the activation": "activate"} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T, w *World, erin access.Principal) {
				w.BeforeTransaction(moment, func() {
					w.BeforeTransaction(moment, func() {})
					leave(t, w, erin.ID)
				})
				_, err := w.Engine.Submit(t.Context(), erin, engine.Submission{
					Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "test",
				})
				if (err != nil) != (moment == "submit") {
					t.Errorf("the request: %v", err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(w.Target.Accounts()); n != 1 {
					t.Errorf("%d accounts are at the target", n)
				}
			})
		})
	}
}

// Who agreed leaves while access on their word is about to begin: it does not.
func TestAReviewerLeavesMeanwhile(t *testing.T) {
	told(t, func(t *testing.T, w *World, _ access.Principal) {
		erin := tell(t, w, "leads")
		v := ask(t, w, Alice, Write, time.Hour)
		w.BeforeTransaction("activate", func() {
			w.BeforeTransaction("activate", func() {})
			leave(t, w, erin.ID)
		})
		if _, err := w.Engine.Review(t.Context(), erin, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if g := grantOf(t, w, see(t, w, Carol, v.Request.ID)); g.EndReason != access.EndIneligible || !g.ActivatedAt.IsZero() {
			t.Errorf("the grant is %s (%s), begun at %s", g.State, g.EndReason, g.ActivatedAt)
		}
	})
}

// What lives on somebody's word, or on one in their stead, ends when they may not give it any more; and nothing else does.
func TestWhatLivesOnAReviewersWord(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *World, access.Principal){
		"leads no more": func(t *testing.T, w *World, _ access.Principal) { tell(t, w, "engineering") },
		"gone":          func(t *testing.T, w *World, erin access.Principal) { leave(t, w, erin.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T, w *World, _ access.Principal) {
				erin := tell(t, w, "leads")
				order := engine.DelegationOrder{To: w.Who(Mallory).ID, Until: time.Now().Add(30 * time.Minute), Reason: "on leave"}
				if _, err := w.Engine.Delegate(t.Context(), erin, order); err != nil {
					t.Fatal(err)
				}
				granted := func(reviewer access.Principal) access.Grant {
					v := ask(t, w, Alice, Write, time.Hour)
					if _, err := w.Engine.Review(t.Context(), reviewer, v.Request.ID, approve); err != nil {
						t.Fatalf("%s reviews: %v", reviewer.ID, err)
					}
					synctest.Wait()
					g := grantOf(t, w, see(t, w, Carol, v.Request.ID))
					if g.State != access.GrantActive {
						t.Fatalf("the grant is %s", g.State)
					}
					return g
				}
				hers, inHerStead, another := granted(erin), granted(w.Who(Mallory)), granted(w.Who(Bob))
				time.Sleep(45 * time.Minute) // the delegation is over, which ends nothing that has begun
				for _, g := range []access.Grant{hers, inHerStead} {
					if g = grantByID(t, w, g.ID); g.State != access.GrantActive {
						t.Fatalf("the grant is %s (%s)", g.State, g.EndReason)
					}
				}
				change(t, w, erin)
				synctest.Wait()
				wantEnded(t, grantByID(t, w, hers.ID), access.EndIneligible)
				wantEnded(t, grantByID(t, w, inHerStead.ID), access.EndIneligible)
				if g := grantByID(t, w, another.ID); g.State != access.GrantActive {
					t.Errorf("what lives on another's word is %s (%s)", g.State, g.EndReason)
				}
			})
		})
	}
}

// Who agreed was linked with another account afterwards, and then leaves: what lives on their word ends all the same.
func TestAReviewerWhoWasLinkedLeaves(t *testing.T) {
	told(t, func(t *testing.T, w *World, _ access.Principal) {
		erin, other := tell(t, w, "leads"), tellOf(t, w, "00u-other")
		v := ask(t, w, Alice, Write, time.Hour)
		if _, err := w.Engine.Review(t.Context(), erin, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		order := engine.DelegationOrder{To: w.Who(Mallory).ID, Until: time.Now().Add(30 * time.Minute), Reason: "on leave"}
		d, err := w.Engine.Delegate(t.Context(), erin, order)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), other.ID, erin.ID, "one human"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if g := grantOf(t, w, see(t, w, Carol, v.Request.ID)); g.State != access.GrantActive {
			t.Fatalf("linked, the grant is %s (%s)", g.State, g.EndReason)
		}
		made, _, err := w.Engine.Delegations(t.Context(), w.Who(Carol), engine.DelegationsAll, store.Page{Limit: 10})
		if err != nil || len(made) != 1 || made[0].ID != d.ID || made[0].EndedAt.IsZero() {
			t.Errorf("the delegation of who is another person by now: %+v, %v", made, err)
		}
		leave(t, w, erin.ID)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, see(t, w, Carol, v.Request.ID)), access.EndIneligible)
	})
}

// Who asked in another's name leaves: what was given or waits on their asking ends at once, as it would at the next reload.
func TestWhoAskedLeaves(t *testing.T) {
	policies := provided()
	for i := range policies {
		if len(policies[i].OnBehalfOf) > 0 {
			policies[i].OnBehalfOf = append(policies[i].OnBehalfOf, "group:sso/leads")
		}
	}
	bubble(t, func(t *testing.T, w *World) {
		erin := tell(t, w, "leads")
		asked := func() access.Request {
			r, err := w.Engine.Submit(t.Context(), erin, engine.Submission{
				Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "order 17", OnBehalfOf: w.Who(Alice).ID,
			})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		live, waits := asked(), asked()
		if _, err := review(t, w, Bob, live.ID, approve); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if g := grantOf(t, w, see(t, w, Carol, live.ID)); g.State != access.GrantActive {
			t.Fatalf("the grant is %s", g.State)
		}
		leave(t, w, erin.ID)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, see(t, w, Carol, live.ID)), access.EndIneligible)
		if r := see(t, w, Carol, waits.ID).Request; r.State != access.RequestDenied {
			t.Errorf("what waits for a review is %s", r.State)
		}
	}, WithPolicies(policies...))
}

// Whoever is called otherwise at a target from now on loses what they have there: the account that has it may be somebody else's.
func TestPeopleWithAnotherAccount(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		called := func(account string) access.Principal {
			var p access.Profile
			err := w.Engine.Change(t.Context(), "test", func(tx store.Tx, enter func(access.Event) error) (err error) {
				p, err = w.Registrar.Tell(tx, enter, sso, identity.Account{
					Subject: "00u-erin", Name: "Erin", Groups: []string{"engineering"}, Attributes: map[string]string{"account": account},
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return p.Principal
		}
		live := submit(t, w, called(Bob), Read, time.Time{})
		wantMember(t, w, Bob, readers, true, "while it is hers")
		called(Bob)
		wantMember(t, w, Bob, readers, true, "while nothing changes")
		called(Dave)
		wantMember(t, w, Bob, readers, false, "when she has another")
		wantEnded(t, see(t, w, Carol, live.ID).Grants[0], access.EndIneligible)
	}, WithPolicies(provided()...), WithGroups(connector.MarkedRight))
}

// Somebody leaves while another reviews in their stead: the review is not given.
func TestTheAbsentLeavesMeanwhile(t *testing.T) {
	told(t, func(t *testing.T, w *World, _ access.Principal) {
		erin := tell(t, w, "leads")
		v := ask(t, w, Alice, Write, time.Hour)
		order := engine.DelegationOrder{To: w.Who(Mallory).ID, Until: time.Now().Add(time.Hour), Reason: "on leave"}
		if _, err := w.Engine.Delegate(t.Context(), erin, order); err != nil {
			t.Fatal(err)
		}
		w.BeforeTransaction("review", func() { tell(t, w, "sales") })
		_, err := review(t, w, Mallory, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		if v = see(t, w, Alice, v.Request.ID); len(v.Reviews) != 0 || v.Request.State != access.RequestPending {
			t.Errorf("it is %s, with the reviews %+v", v.Request.State, v.Reviews)
		}
	})
}

// What a process noted and did not see to before it died, the next one sees to.
func TestPeopleChangeBeforeACrash(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		erin := tell(t, w, "engineering")
		r, err := w.Engine.Submit(t.Context(), erin, engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "test",
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Settle(w.Engine)
		leave(t, w, erin.ID)
		runner := w.RunNode(w.Node())
		defer runner.Stop()
		synctest.Wait()
		wantEnded(t, see(t, w, Carol, r.ID).Grants[0], access.EndIneligible)
	}, WithPolicies(provided()...))
}
