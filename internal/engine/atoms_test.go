package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

const (
	readers = "orders:read"
	writers = "orders:write"
)

// shared runs a test in a company whose target has memberships, once with marks and once without.
func shared(t *testing.T, test func(t *testing.T, w *World), options ...Option) {
	t.Helper()
	for _, p := range []connector.Provenance{connector.MarkedRight, connector.BareRight} {
		t.Run(string(p), func(t *testing.T) { bubble(t, test, append(options, WithGroups(p))...) })
	}
}

// pass lets time go by, and everything that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantMember(t *testing.T, w *World, account, group string, want bool, when string) {
	t.Helper()
	if got := w.Target.IsMember(account, group); got != want {
		t.Errorf("%s: %s is a member of %s: %t, want %t", when, account, group, got, want)
	}
}

func returnGrant(t *testing.T, w *World, id access.GrantID) {
	t.Helper()
	if _, err := w.Engine.Return(t.Context(), w.Who(Alice), id); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestSharedRightLivesAndEnds(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		g := grantOf(t, w, v)
		if g.State != access.GrantActive || g.Account != Alice {
			t.Fatalf("the grant is %s for the account %q: %s", g.State, g.Account, g.LastError)
		}
		wantMember(t, w, Alice, readers, true, "while the grant is active")
		pass(time.Hour)
		wantMember(t, w, Alice, readers, false, "after the deadline")
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if g.KeptBy != "" || !g.VerifiedAt.Equal(g.Deadline) || g.VerifiedBy == "" {
			t.Errorf("kept by %q, verified at %s by %q; want by nothing, at the deadline, by somebody", g.KeptBy, g.VerifiedAt, g.VerifiedBy)
		}
	})
}

// The older of two grants of one right ends without taking it from the newer, and the other way round.
func TestOverlappingGrants(t *testing.T) {
	for name, olderFirst := range map[string]bool{"the older ends first": true, "the newer ends first": false} {
		t.Run(name, func(t *testing.T) {
			shared(t, func(t *testing.T, w *World) {
				first, second := ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Read, 2*time.Hour)
				if !olderFirst {
					first, second = second, first
				}
				returnGrant(t, w, grantOf(t, w, first).ID)
				ended := grantOf(t, w, first)
				wantEnded(t, ended, access.EndReturned)
				if want := string(grantOf(t, w, second).ID); ended.KeptBy != want || ended.VerifiedBy == "" {
					t.Errorf("kept by %q, verified by %q; want %q, by somebody", ended.KeptBy, ended.VerifiedBy, want)
				}
				wantMember(t, w, Alice, readers, true, "after one of two has ended")
				pass(2 * time.Hour)
				wantEnded(t, grantOf(t, w, second), access.EndExpired)
				wantMember(t, w, Alice, readers, false, "after both have ended")
			})
		})
	}
}

// Both end at the same moment: neither leaves the right to the other.
func TestOverlappingGrantsThatEndAtOnce(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		views := []engine.RequestView{ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Read, time.Hour)}
		pass(time.Hour + time.Second)
		for _, v := range views {
			wantEnded(t, grantOf(t, w, v), access.EndExpired)
		}
		wantMember(t, w, Alice, readers, false, "after all have ended")
	})
}

// Two entitlements have one group in common.
func TestGrantsThatShareOneOfTwoRights(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		read := ask(t, w, Alice, Read, time.Hour)
		wantMember(t, w, Alice, writers, true, "with both grants")
		write := grantOf(t, w, see(t, w, Alice, v.Request.ID))
		returnGrant(t, w, write.ID)
		wantMember(t, w, Alice, writers, false, "after write has ended")
		wantMember(t, w, Alice, readers, true, "after write has ended")
		write = grantOf(t, w, see(t, w, Alice, v.Request.ID))
		wantEnded(t, write, access.EndReturned)
		if want := string(grantOf(t, w, read).ID); write.KeptBy != want {
			t.Errorf("kept by %q, want %q", write.KeptBy, want)
		}
		pass(time.Hour)
		wantMember(t, w, Alice, readers, false, "after both have ended")
	})
}

// A member who was there before stays, whoever asks for it on top and however often.
func TestStandingMemberStays(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		before := w.Target.Snapshot()
		w.Target.Inject(memory.Fault{Call: connector.CallGrant}) // which nothing may run into
		first, second := ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Read, 2*time.Hour)
		if w.Target.Snapshot() != before {
			t.Error("a right that was there was given again")
		}
		pass(2 * time.Hour)
		for _, v := range []engine.RequestView{first, second} {
			g := grantOf(t, w, v)
			wantEnded(t, g, access.EndExpired)
			if g.KeptBy == "" {
				t.Errorf("grant %s ended without a word of what keeps the right", g.ID)
			}
		}
		if g := grantOf(t, w, second); g.KeptBy != access.KeptByStanding {
			t.Errorf("the last grant says that the right is kept by %q", g.KeptBy)
		}
		wantMember(t, w, Alice, readers, true, "after all grants have ended")
	})
}

// An owner who removes a standing member while a grant holds the right: whoever is granted it next needs it made.
func TestStandingMemberWhoIsRemoved(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		ask(t, w, Alice, Read, time.Minute)
		w.Target.RemoveMember(Alice, readers)
		v := ask(t, w, Alice, Read, time.Hour)
		wantMember(t, w, Alice, readers, true, "under a grant that came after the removal")
		pass(time.Hour)
		wantMember(t, w, Alice, readers, false, "after all grants have ended")
		if g := grantOf(t, w, v); g.KeptBy != "" {
			t.Errorf("kept by %q, and nobody is a member", g.KeptBy)
		}
	})
}

// An owner adds the member during the grant, or makes our membership theirs. Where rights bear marks that is seen.
func TestOwnerAddsDuringTheGrant(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		pass(time.Hour)
		g := grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		marked := w.Connector.Type().Traits.Provenance == connector.MarkedRight
		wantMember(t, w, Alice, readers, marked, "after the grant has ended")
		if (g.KeptBy == access.KeptByStanding) != marked {
			t.Errorf("kept by %q", g.KeptBy)
		}
	})
}

// What cannot be read beforehand is not given: nobody would know what to leave.
func TestNothingIsGivenBlindly(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		if _, err := w.Connector.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Connector.Resources(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Target.SetBlind(true)
		v := ask(t, w, Alice, Read, time.Hour)
		if g := grantOf(t, w, v); g.State != access.GrantScheduled || g.LastError == "" || len(w.Target.Members()) != 0 {
			t.Errorf("the grant is %s with the error %q; members: %v", g.State, g.LastError, w.Target.Members())
		}
	})
}

func TestNoAccountNoAccess(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		r, err := w.Engine.Submit(t.Context(), w.Who(AliceAgent), readForAnHour())
		if err != nil {
			t.Fatal(err)
		}
		v := see(t, w, AliceAgent, r.ID)
		if v.Request.State != access.RequestDenied || !strings.Contains(v.Decision.Why, "which account you have at the connector orders-db") {
			t.Errorf("the request is %s: %s", v.Request.State, v.Decision.Why)
		}
		offers, err := w.Engine.Entitlements(t.Context(), w.Who(AliceAgent), nil, false)
		if err != nil || len(offers) != 0 {
			t.Errorf("it is offered %v, %v", offers, err)
		}
	})
}

func TestSharedRightNeedsNoCredential(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		key := newKey(t)
		s := readForAnHour()
		s.Recipient = key.Public()
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), s)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		g := grantOf(t, w, see(t, w, Alice, r.ID))
		if g.State != access.GrantActive {
			t.Fatalf("the grant is %s: %s", g.State, g.LastError)
		}
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, key.Public())
		wantKind(t, err, access.KindInvalid)
	})
}

// A right has no deadline of its own: it stays as long as the grant that lives longest, extended or not.
func TestExtendOfASharedRight(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		begin := time.Now()
		first, second := ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Read, 2*time.Hour)
		pass(30 * time.Minute)
		g, err := extend(t, w, first, 2*time.Hour)
		if err != nil || !g.Deadline.Equal(begin.Add(3*time.Hour)) {
			t.Fatalf("it lives until %s (%v), want three hours", g.Deadline, err)
		}
		pass(2 * time.Hour)
		if kept := grantOf(t, w, second).KeptBy; kept != string(g.ID) {
			t.Errorf("the other grant's right is kept by %q", kept)
		}
		wantMember(t, w, Alice, readers, true, "before the new deadline")
		pass(time.Hour)
		wantEnded(t, grantOf(t, w, first), access.EndExpired)
		wantMember(t, w, Alice, readers, false, "after the new deadline")
	})
}

// An extension that waits for its turn does not hold up the end.
func TestExtendThatIsNotItsTurn(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		first := ask(t, w, Alice, Read, time.Hour)
		pass(time.Hour - 4*time.Second)
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Effect: memory.Hang})
		if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
		<-reached // somebody else has the turn
		pass(3 * time.Second)
		g, err := extend(t, w, first, time.Hour)
		if err != nil || g.ExtendTo.IsZero() {
			t.Fatalf("promised until %s: %v", g.ExtendTo, err)
		}
		if g.DueAt.After(g.Deadline) {
			t.Errorf("it is looked at again at %s, after its deadline %s", g.DueAt, g.Deadline)
		}
		clear()
		pass(10 * time.Second)
		if g = grantOf(t, w, first); g.State != access.GrantEnded || g.EndReason != access.EndExpired {
			t.Errorf("after its deadline it is %s (%s): %s", g.State, g.EndReason, g.LastError)
		}
	})
}
