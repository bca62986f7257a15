package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
)

// afterTen lets engineers write without a review from ten minutes on.
func afterTen(begin time.Time) policy.Policy {
	return policy.Policy{
		Name: "write-after-ten", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{Write},
		When: `now > timestamp("` + begin.Add(10*time.Minute).UTC().Format(time.RFC3339) + `")`, MaxDuration: time.Hour, Auto: true,
	}
}

// Policies that have come to ask nobody do not turn a denial into an approval, and let nobody review who was not asked.
func TestDenyNeverApproves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t, WithPolicies(append(Policies(), afterTen(time.Now()))...))
		w.Run()
		v := ask(t, w, Alice, Write, 30*time.Minute)
		time.Sleep(15 * time.Minute)
		for _, who := range []string{Olga, Carol} {
			_, err := review(t, w, who, v.Request.ID, deny)
			wantKind(t, err, access.KindDenied)
			_, err = review(t, w, who, v.Request.ID, approve)
			wantKind(t, err, access.KindDenied)
		}
		r, err := review(t, w, Bob, v.Request.ID, deny)
		if err != nil || r.State != access.RequestDenied {
			t.Errorf("Bob denies, and the request is %s: %v", r.State, err)
		}
	})
}

// A review is of what is decided now: when the policies have changed, it can be given anew.
func TestReviewAnewUnderOtherPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		night := `now > timestamp("` + time.Now().Add(10*time.Minute).UTC().Format(time.RFC3339) + `")`
		two := policy.Policy{
			Name: "day", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{Drop}, MaxDuration: time.Hour,
			When: "!(" + night + ")", Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 2, Within: 8 * time.Hour}},
		}
		one := two
		one.Name, one.When, one.Stages = "night", night, []policy.Stage{{From: []string{"group:leads"}, Count: 1, Within: 8 * time.Hour}}
		w := New(t, WithPolicies(two, one))
		w.Run()
		v := ask(t, w, Alice, Drop, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Errorf("Bob may not approve what the request has become: %v", err)
		}
		v = see(t, w, Alice, v.Request.ID)
		if v.Request.State != access.RequestApproved || v.Decision.Targets[0].Policy != "night" {
			t.Errorf("the request is %s by policy %s", v.Request.State, v.Decision.Targets[0].Policy)
		}
	})
}

// However many new grants wait for a target that cannot be read, what must be taken back is taken back in time.
func TestNewGrantsDelayNoRemoval(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Minute)
		w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect, Effect: memory.Hang})
		time.Sleep(59 * time.Second)
		for range 300 {
			if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

func TestNobodyHasTooMuchOpen(t *testing.T) {
	t.Parallel()
	w := New(t)
	for range engine.MaxOpen {
		if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
	wantKind(t, err, access.KindExhausted)
}

// One removal that hangs holds up none of its neighbours.
func TestOneSlowRemovalDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		var views []engine.RequestView
		for range 5 {
			views = append(views, ask(t, w, Alice, Read, time.Minute))
		}
		w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Moment: memory.BeforeEffect, Effect: memory.Hang, Times: 1})
		time.Sleep(time.Minute)
		synctest.Wait()
		ended := 0
		for _, v := range views {
			if grantOf(t, w, v).State == access.GrantEnded {
				ended++
			}
		}
		if ended != 4 {
			t.Errorf("%d of 5 grants have ended in time, and one hangs", ended)
		}
	})
}

// A request that can never work does not make an earlier one of unknown outcome forgotten.
func TestGivingUpRemembersEarlierOrders(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.BeforeEffect, Effect: memory.Hang, Times: 1})
		v := ask(t, w, Alice, Read, time.Hour)
		first := grantOf(t, w, v).ActBy
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.BeforeEffect, Err: access.Errorf(access.KindInvalid, "no")})
		time.Sleep(time.Until(first) - time.Second)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantRevoking {
			t.Errorf("before the first order can no longer arrive the grant is %s", g.State)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndFailed)
	})
}

// A credential whose successor was issued, and lost, is not handed out any more: its password is dead.
func TestNoDeadCredential(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		a, b := newKey(t), newKey(t)
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		open(t, w, Alice, g.ID, a)
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		if _, err := w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, b.Public()); err == nil {
			t.Fatal("the answer was not lost")
		}
		clear()
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, a.Public())
		wantKind(t, err, access.KindConflict)
		time.Sleep(time.Minute)
		cred := open(t, w, Alice, g.ID, a)
		if _, err := w.Target.Login(cred.Username, cred.Password); err != nil {
			t.Errorf("the credential that was handed out is dead: %v", err)
		}
	})
}

// Who goes away while a change is committed changes nothing about what the change sets in motion.
func TestAClientThatGoesAwayDelaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		w.DuringCommit("revoke", cancel)
		if _, err := w.Engine.Return(ctx, w.Who(Alice), g.ID); err != nil && !is(err, access.KindUnavailable) {
			t.Fatal(err)
		}
		synctest.Wait()
		g, err := w.Engine.Grant(t.Context(), w.Who(Alice), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, g, access.EndReturned)
	})
}

// Stopping brings to its end what was begun, so that nothing waits for a lease of nobody's afterwards.
func TestStopFinishesWhatWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		r := engine.NewRunner(w.Engine)
		r.Start()
		v := ask(t, w, Alice, Read, time.Hour)
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Moment: memory.BeforeEffect, Effect: memory.Hang})
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), grantOf(t, w, v).ID); err != nil {
			t.Fatal(err)
		}
		<-reached
		stopped := make(chan struct{})
		go func() {
			r.Stop()
			close(stopped)
		}()
		time.Sleep(time.Second)
		clear()
		<-stopped
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
	})
}

// Stages come one after the other, and each has its time.
func TestStagesWaitOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := policy.Stage{From: []string{"group:leads"}, Count: 1, Within: 2 * time.Hour}
		w := New(t, WithPolicies(policy.Policy{
			Name: "two", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{Drop}, MaxDuration: time.Hour,
			Stages: []policy.Stage{stage, stage},
		}))
		w.Run()
		v := ask(t, w, Alice, Drop, time.Hour)
		time.Sleep(2*time.Hour - time.Minute)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r, err := review(t, w, Dave, v.Request.ID, approve)
		if err != nil || r.State != access.RequestApproved {
			t.Errorf("an hour after the first stage the request is %s: %v", r.State, err)
		}
	})
}

// An agent is never wider than the human for whom it acts.
func TestAgentIsNotWiderThanItsHuman(t *testing.T) {
	leads := policy.Policy{
		Name: "leads-read", Effect: policy.EffectAllow, Who: []string{"group:leads"}, What: []string{Archive}, MaxDuration: time.Hour, Auto: true,
	}
	agents := policy.Policy{
		Name: "agents-write", Effect: policy.EffectAllow, Who: []string{"kind:agent"}, What: []string{Write}, MaxDuration: 2 * time.Hour, Auto: true,
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(t, WithPolicies(append(Policies(), leads, agents)...))
		w.Run()
		if v := ask(t, w, AliceAgent, Archive, time.Hour); v.Request.State != access.RequestDenied || !strings.Contains(v.Decision.Why, "human") {
			t.Errorf("what alice may not have, her agent has: %s, %s", v.Request.State, v.Decision.Why)
		}
		v := ask(t, w, AliceAgent, Write, time.Hour)
		if v.Request.State != access.RequestPending || v.Decision.Targets[0].MaxDuration != time.Hour {
			t.Errorf("what alice needs a review for, her agent has at once: %s, at most %s", v.Request.State, v.Decision.Targets[0].MaxDuration)
		}
		offers, err := w.Engine.Entitlements(t.Context(), w.Who(AliceAgent), []string{"archive"}, false)
		if err != nil || len(offers) != 0 {
			t.Errorf("her agent is offered %v, %v", offers, err)
		}
	})
}
