package engine_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// inTheNameOf asks to write in another's name.
func inTheNameOf(t *testing.T, w *World, who, asker string) (access.Request, error) {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), w.Who(asker), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "order 17", OnBehalfOf: w.Who(who).ID,
	})
	synctest.Wait()
	return r, err
}

func TestOnBehalfOf(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		r, err := inTheNameOf(t, w, Alice, Bob)
		if err != nil {
			t.Fatal(err)
		}
		if r.Principal != w.Who(Alice).ID || r.AskedBy != w.Who(Bob).ID || r.State != access.RequestPending {
			t.Fatalf("%+v", r)
		}
		for _, who := range []string{Alice, AliceAdmin, Bob} {
			for _, o := range []engine.Opinion{approve, deny} {
				_, err := review(t, w, who, r.ID, o)
				wantKind(t, err, access.KindDenied)
			}
		}
		if n := toReview(t, w, Bob); n != 0 {
			t.Errorf("who asked has %d requests to review", n)
		}
		if _, err := review(t, w, Dave, r.ID, approve); err != nil {
			t.Fatal(err)
		}
		g := grantOf(t, w, see(t, w, Bob, r.ID))
		if g.State != access.GrantActive || g.Principal != w.Who(Alice).ID {
			t.Fatalf("the grant is %s of %s", g.State, g.Principal)
		}
		theirs := newKey(t)
		_, err = w.Engine.Credential(t.Context(), w.Who(Bob), g.ID, theirs.Public())
		wantKind(t, err, access.KindDenied)
		if cred := open(t, w, Alice, g.ID, theirs); cred.Password == "" {
			t.Error("its principal has no credential")
		}
		page, err := w.Engine.Events(t.Context(), w.Who(Carol), engine.LogQuery{Request: r.ID, Limit: 1})
		if err != nil || len(page.Items) != 1 || page.Items[0].Actor != w.Who(Bob).ID || page.Items[0].Subject != w.Who(Alice).ID {
			t.Errorf("it is entered as %+v, %v", page.Items, err)
		}
		if _, err := w.Engine.Grant(t.Context(), w.Who(Bob), g.ID); err != nil {
			t.Errorf("who asked does not see the grant: %v", err)
		}
		_, err = w.Engine.Extend(t.Context(), w.Who(Bob), g.ID, time.Minute)
		wantKind(t, err, access.KindDenied)
		_, err = w.Engine.Revoke(t.Context(), w.Who(Bob), g.ID, "mine to give")
		wantKind(t, err, access.KindDenied)
		_, err = w.Engine.Return(t.Context(), w.Who(Mallory), g.ID)
		wantKind(t, err, access.KindNotFound)
		if g, err = w.Engine.Return(t.Context(), w.Who(Bob), g.ID); err != nil || g.EndReason != access.EndReturned {
			t.Errorf("given back by who asked it is %s, %v", g.EndReason, err)
		}
	})
}

// Who may ask for nobody learns nothing of anybody, and leaves nothing behind.
func TestOnBehalfOfRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for name, c := range map[string]struct {
			asker, who string
			kind       access.Kind
		}{
			"by nobody":                    {Mallory, Alice, access.KindDenied},
			"by a peer":                    {Carol, Alice, access.KindDenied},
			"for whom the policy is not":   {Bob, Carol, access.KindDenied},
			"for oneself":                  {Alice, Alice, access.KindInvalid},
			"by an agent of another":       {AliceAgent, Bob, access.KindDenied},
			"by an agent of another human": {AliceAgent, AliceAdmin, access.KindDenied},
		} {
			if _, err := inTheNameOf(t, w, c.who, c.asker); !is(err, c.kind) {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused := func(s engine.Submission) error {
			s.Entitlements = []access.Entitlement{Entitlement(Write)}
			_, err := w.Engine.Submit(t.Context(), w.Who(Bob), s)
			return err
		}
		unknown, known := refused(engine.Submission{OnBehalfOf: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "nobody"}}), refused(engine.Submission{OnBehalfOf: w.Who(Olga).ID})
		if unknown == nil || known == nil || strings.Replace(unknown.Error(), "nobody", "olga", 1) != known.Error() {
			t.Errorf("who is there can be told from who is not: %v, %v", unknown, known)
		}
		wantKind(t, refused(engine.Submission{OnBehalfOf: w.Who(Alice).ID, Recipient: newKey(t).Public()}), access.KindInvalid)
		all, _, err := w.Engine.Requests(t.Context(), w.Who(Carol), engine.All, store.Page{Limit: 10})
		if err != nil || len(all) != 0 {
			t.Errorf("%d requests are kept, %v", len(all), err)
		}
	})
}

func TestAnAgentAsksForItsHuman(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		r, err := inTheNameOf(t, w, Alice, AliceAgent)
		if err != nil || r.State != access.RequestPending {
			t.Fatal(r.State, err)
		}
		if r, err = review(t, w, Bob, r.ID, approve); err != nil || r.State != access.RequestApproved {
			t.Errorf("%s, %v", r.State, err)
		}
	})
}

func TestBothWithdrawAndSee(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for _, who := range []string{Alice, Bob} {
			r, err := inTheNameOf(t, w, Alice, Bob)
			if err != nil {
				t.Fatal(err)
			}
			for scope, by := range map[engine.Scope]string{engine.Mine: Alice, engine.ForOthers: Bob} {
				items, _, err := w.Engine.Requests(t.Context(), w.Who(by), scope, store.Page{Limit: 1})
				if err != nil || len(items) != 1 || items[0].Request.ID != r.ID {
					t.Errorf("%s does not see it: %v, %v", by, items, err)
				}
			}
			_, err = w.Engine.Withdraw(t.Context(), w.Who(Dave), r.ID)
			wantKind(t, err, access.KindNotFound)
			if r, err = w.Engine.Withdraw(t.Context(), w.Who(who), r.ID); err != nil || r.State != access.RequestWithdrawn {
				t.Errorf("withdrawn by %s it is %s, %v", who, r.State, err)
			}
		}
	})
}

// Who asked must still be one who may when access begins.
func TestTheAskerIsDecidedAgain(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *World){
		"the asker leaves": func(_ *testing.T, w *World) { w.Leaves(Bob) },
		"leads ask for others no more": func(t *testing.T, w *World) {
			reload(t, w, func(rules *engine.Rules) {
				policies := Policies()
				policies[1].OnBehalfOf = []string{"group:platform"}
				rules.Policies = w.Allow(policies...)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				r, err := w.Engine.Submit(t.Context(), w.Who(Bob), engine.Submission{
					Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: "x", OnBehalfOf: w.Who(Alice).ID, Start: time.Now().Add(time.Hour),
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := review(t, w, Dave, r.ID, approve); err != nil {
					t.Fatal(err)
				}
				change(t, w)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if v := see(t, w, Alice, r.ID); v.Grants[0].EndReason != access.EndIneligible {
					t.Errorf("the grant is %s, %s", v.Grants[0].State, v.Grants[0].EndReason)
				}
			})
		})
	}
}

// A frozen person asks for nobody either.
func TestTheFrozenAskForNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Principal: w.Who(Bob).ID}, "laptop stolen"); err != nil {
			t.Fatal(err)
		}
		if _, err := inTheNameOf(t, w, Alice, Bob); err == nil {
			t.Error("a frozen person asked in another's name")
		}
	})
}

// The input that is kept says who asked, so that it decides the same when it is decided again.
func TestWhoAskedIsInTheInput(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		r, err := inTheNameOf(t, w, Alice, Bob)
		if err != nil {
			t.Fatal(err)
		}
		var in policy.Input
		var source []byte
		err = w.Store.View(t.Context(), func(tx store.Tx) error {
			kept, err := tx.Decisions().List(access.DefaultTenant, r.ID)
			if err != nil {
				return err
			}
			if source, err = tx.Policies().Get(access.DefaultTenant, kept[0].PolicyDigest); err != nil {
				return err
			}
			return json.Unmarshal(kept[0].Input, &in)
		})
		if err != nil {
			t.Fatal(err)
		}
		set, err := policy.Load(source)
		if err != nil {
			t.Fatal(err)
		}
		if in.AskedBy.ID != w.Who(Bob).ID || set.Decide(in).Verdict != policy.VerdictReview {
			t.Errorf("asked by %+v it is decided again as %s", in.AskedBy, set.Decide(in).Verdict)
		}
		in.AskedBy = w.Who(Mallory)
		if v := set.Decide(in).Verdict; v != policy.VerdictDenied {
			t.Errorf("asked by another it is %s", v)
		}
	})
}
