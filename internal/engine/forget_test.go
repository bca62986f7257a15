package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// other and bystander are engineers beside Alice.
var other, bystander = Engineer(0), Engineer(1)

// What people say in the story below; none of it may be left of who is forgotten.
const (
	aliceSays  = "the flood took cellar seven"
	aliceTask  = "TASK-90210"
	daveSays   = "a zebra may pass"
	othersSays = "quarterly cleaning of shelves"
)

// company runs a test without a runner, so that days cost nothing: settle and forget do what is due.
func company(t *testing.T, test func(t *testing.T, w *World)) {
	t.Helper()
	alone(t, func(t *testing.T, w *World) {
		for _, name := range []string{other, bystander} {
			if err := w.Target.AddAccount(memory.Account{Name: name}, ""); err != nil {
				t.Fatal(err)
			}
		}
		test(t, w)
	}, WithGroups(connector.BareRight), WithCrowd(2), WithEventsNumbered())
}

// settle does everything that is due, and takes it into the tree.
func settle(t *testing.T, w *World) {
	t.Helper()
	w.Settle(w.Engine)
	for more := true; more; {
		var err error
		if more, err = w.Engine.Integrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// story has Alice and two other engineers ask for what Dave reviews, and ends a day after the last grant has.
func story(t *testing.T, w *World) (others access.RequestID) {
	t.Helper()
	tell := func(who, entitlement, reason, ticket string) access.RequestID {
		r, err := w.Engine.Submit(t.Context(), w.Who(who), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: time.Hour, Reason: reason, Ticket: ticket,
			Params: map[string]string{"where": reason},
		})
		if err != nil {
			t.Fatal(err)
		}
		if entitlement == Write {
			if _, err := w.Engine.Review(t.Context(), w.Who(Dave), r.ID, engine.Opinion{Verdict: access.Approve, Comment: daveSays}); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, w)
		return r.ID
	}
	tell(Alice, Read, aliceSays, aliceTask)
	tell(AliceAdmin, Archive, aliceSays, aliceTask) // is denied
	tell(Alice, Write, aliceSays, "")
	tell(bystander, Write, "nothing in particular", "")
	others = tell(other, Write, othersSays, "")
	time.Sleep(2 * time.Hour)
	settle(t, w)
	time.Sleep(24 * time.Hour)
	return others
}

func forget(t *testing.T, w *World, person access.PersonID) access.Erasure {
	t.Helper()
	v, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: person}, "asked for it in writing")
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = w.Engine.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, w)
	if v, err = w.Engine.Erasure(t.Context(), w.Who(Olga), v.ID); err != nil {
		t.Fatal(err)
	}
	if v.DoneAt.IsZero() || v.Person != "" || v.Principals != nil || v.Accounts != nil || !v.By.IsZero() || v.Reason != "" {
		t.Fatalf("the erasure stands as %+v", v)
	}
	return v
}

// nowhere fails the test if one of the words is in a file of the store.
func nowhere(t *testing.T, w *World, words ...string) {
	t.Helper()
	for name, content := range storeFiles(t, w) {
		for _, word := range words {
			if n := bytes.Count(bytes.ToLower(content), []byte(strings.ToLower(word))); n > 0 {
				i := bytes.Index(bytes.ToLower(content), []byte(strings.ToLower(word)))
				t.Errorf("%s has %q %d times, as in %q", name, word, n, content[max(0, i-80):min(len(content), i+80)])
			}
		}
	}
}

func TestForgottenNowhereInTheStore(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		story(t, w)
		for _, word := range []string{"alice", aliceSays, aliceTask, daveSays, "dave"} {
			if !slices.ContainsFunc(slices.Collect(maps.Values(storeFiles(t, w))), func(b []byte) bool { return bytes.Contains(b, []byte(word)) }) {
				t.Errorf("the story leaves no %q behind, so that finding none says nothing", word)
			}
		}
		forget(t, w, Alice)
		nowhere(t, w, "alice", aliceSays, aliceTask, "asked by alice")
		forget(t, w, Dave)
		nowhere(t, w, "alice", aliceSays, aliceTask, "dave", daveSays)
	})
}

// What an agent did names its human in more places than its own name, and none of them is left; that an agent did it is.
func TestForgottenHumanOfAnAgent(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		r, err := w.Engine.Submit(t.Context(), w.Who(AliceAgent), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: aliceSays,
		})
		if err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		time.Sleep(2 * time.Hour)
		settle(t, w)
		time.Sleep(25 * time.Hour)
		settle(t, w)
		v := forget(t, w, Alice)
		nowhere(t, w, "alice", aliceSays)
		kept, err := w.Engine.Request(t.Context(), w.Who(Olga), r.ID)
		if err != nil || len(kept.Grants) != 1 {
			t.Fatalf("%d grants, %v", len(kept.Grants), err)
		}
		for what, actsFor := range map[string]access.PrincipalID{"request": kept.Request.ActsFor, "grant": kept.Grants[0].ActsFor} {
			if actsFor != v.Erased() {
				t.Errorf("the %s is for %q", what, actsFor)
			}
		}
	}, WithEventsNumbered())
}

// keptOf is what the books have of a request, as JSON.
func keptOf(t *testing.T, w *World, id access.RequestID) string {
	t.Helper()
	kept := map[string]any{}
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		r, err := tx.Requests().Get(access.DefaultTenant, id)
		decisions, decisionsErr := tx.Decisions().List(access.DefaultTenant, id)
		reviews, reviewsErr := tx.Reviews().List(access.DefaultTenant, id)
		grants, grantsErr := tx.Grants().OfRequests(access.DefaultTenant, id)
		rows, rowsErr := tx.Events().List(access.DefaultTenant, store.EventFilter{Request: id}, 0, 1000)
		plan, planErr := tx.Plans().Get(access.DefaultTenant, grants[0].ID)
		kept["request"], kept["decisions"], kept["reviews"], kept["grants"], kept["entries"], kept["plan"] = r, decisions, reviews, grants, rows, plan
		return errors.Join(err, decisionsErr, reviewsErr, grantsErr, rowsErr, planErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestForgettingLeavesOthersAsTheyAre(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		others := story(t, w)
		before := keptOf(t, w, others)
		forget(t, w, access.PersonID(bystander))
		if diff := cmp.Diff(before, keptOf(t, w, others)); diff != "" {
			t.Errorf("after a bystander was forgotten, of the other's request there is (-before +after):\n%s", diff)
		}
		forget(t, w, Dave)
		var after []access.Review
		err := w.Store.View(t.Context(), func(tx store.Tx) (err error) {
			after, err = tx.Reviews().List(access.DefaultTenant, others)
			return err
		})
		if err != nil || len(after) != 1 || after[0].Verdict != access.Approve || after[0].Reviewer.Issuer != access.ErasedIssuer {
			t.Errorf("the review of the other's request is %+v, %v", after, err)
		}
		if got := keptOf(t, w, others); !strings.Contains(got, othersSays) {
			t.Errorf("after Dave was forgotten the other's reason is gone: %s", got)
		}
	})
}

func TestForgottenLogStillVerifies(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		story(t, w)
		kept, err := w.Engine.CheckpointOfAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v := forget(t, w, Alice)
		key, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		report, err := auditor.Verify(t.Context(), w.Store, auditor.Options{
			Tenant: access.DefaultTenant, Keys: []string{key}, Checkpoints: []audit.Kept{{Name: "from before", Text: kept.Checkpoint}},
		})
		if err != nil || len(report.Problems) > 0 || report.Erased == 0 || report.Erased != v.Counts["values"] || report.Unexplained != 0 {
			t.Errorf("%d values are erased, and the log is found to be %+v, %v", v.Counts["values"], report, err)
		}
		if r := verified(t, w, export(t, w, engine.ExportQuery{})); r.Erased != report.Erased || r.Unexplained != 0 {
			t.Errorf("an export has %d erased values, of which %d are unexplained", r.Erased, r.Unexplained)
		}
		// Who leaves out more than was erased is seen, by who reads the whole log.
		left := bytes.ReplaceAll(export(t, w, engine.ExportQuery{}), []byte(`"field":"comment"`), []byte(`"field":"COMMENT"`))
		left = regexp.MustCompile(`,?\{"field":"COMMENT"[^}]*\}`).ReplaceAll(left, nil)
		if r := verified(t, w, bytes.ReplaceAll(left, []byte(`"personal":[,`), []byte(`"personal":[`))); r.Unexplained == 0 {
			t.Errorf("comments were left out: %+v", r)
		}
		beside(t, w, `DELETE FROM event_personal WHERE field = 'comment'`)
		if r := verify(t, w); r.Unexplained == 0 {
			t.Errorf("comments were deleted: %+v", r)
		}
		requests, _, err := w.Engine.Requests(t.Context(), w.Who(Olga), engine.All, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requests {
			if r.Request.Person == v.Pseudonym && (r.Request.Hash != nil || r.Request.Principal != v.Erased()) {
				t.Errorf("what was asked can be told from %+v", r.Request)
			}
		}
		page, err := w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		first, last := page.Items[0], page.Items[len(page.Items)-1]
		if diff := cmp.Diff([]string{audit.FieldActor, "reason", audit.FieldSubject, "ticket"}, first.Erased); diff != "" || first.Personal != nil {
			t.Errorf("the first entry has %v, and erased are (-want +got):\n%s", first.Personal, diff)
		}
		if last.Kind != access.EventPersonForgotten || last.Detail["pseudonym"] != string(v.Pseudonym) || last.Actor != w.Who(Carol).ID || last.Erased != nil {
			t.Errorf("the last entry is %+v", last)
		}
	})
}

func TestForgetIsRefused(t *testing.T) {
	order := engine.ForgetOrder{Person: Alice}
	for name, c := range map[string]struct {
		who    string
		order  engine.ForgetOrder
		reason string
		before func(*testing.T, *World)
		want   access.Kind
	}{
		"by an auditor":      {who: Olga, order: order, want: access.KindDenied},
		"by the person":      {who: Carol, order: engine.ForgetOrder{Person: Carol}, want: access.KindDenied},
		"nobody":             {who: Carol, order: engine.ForgetOrder{Person: "zoe"}, want: access.KindNotFound},
		"somebody forgotten": {who: Carol, order: engine.ForgetOrder{Person: "erased-0123456789ab"}, want: access.KindInvalid},
		"another's account": {who: Carol, order: engine.ForgetOrder{Person: Alice, Principals: []access.PrincipalID{
			{Issuer: access.StaticIssuer, Subject: Bob},
		}}, want: access.KindInvalid},
		"with the name in the reason": {who: Carol, order: order, reason: "Alice wants it", want: access.KindInvalid},
		"with a request that waits": {who: Carol, order: order, before: func(t *testing.T, w *World) { ask(t, w, Alice, Write, time.Hour) },
			want: access.KindConflict},
		"with a live grant": {who: Carol, order: order, before: func(t *testing.T, w *World) { ask(t, w, Alice, Read, time.Hour) },
			want: access.KindConflict},
		"with a grant of today": {who: Carol, order: order, before: func(t *testing.T, w *World) {
			ask(t, w, Alice, Read, time.Hour)
			time.Sleep(24 * time.Hour)
		}, want: access.KindConflict},
		"while frozen": {who: Carol, order: order, before: func(t *testing.T, w *World) {
			freeze(t, w, engine.FreezeOrder{Principal: w.Who(Alice).ID})
		}, want: access.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				if c.before != nil {
					c.before(t, w)
				}
				if c.reason == "" {
					c.reason = "asked for it in writing"
				}
				_, err := w.Engine.Forget(t.Context(), w.Who(c.who), c.order, c.reason)
				wantKind(t, err, c.want)
			})
		})
	}
}

// Nobody has themselves forgotten under the name that an account of theirs had before it was linked.
func TestNobodyForgetsWhoTheyWere(t *testing.T) {
	told(t, func(t *testing.T, w *World, erin access.Principal) {
		if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: erin}, Carol+"-token"); err != nil {
			t.Fatal(err)
		}
		_, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: erin.Person}, "asked to")
		wantKind(t, err, access.KindDenied)
	})
}

// What is not over yet keeps the name of a reviewer, so that their review still counts.
func TestForgettingAReviewerEndsNobodysAccess(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, other, Write, time.Hour)
		if _, err := review(t, w, Dave, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: Dave}, "asked for it in writing"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.Reload(func(*engine.Rules) {}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if g := grantOf(t, w, see(t, w, other, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("the grant that the forgotten reviewer agreed to is %s (%s)", g.State, g.EndReason)
		}
	}, WithCrowd(1))
}

// Who begins something, or is frozen or linked, while they are being forgotten stays known as who has it: it ends when they leave.
func TestForgottenWhileTheyBegin(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, w *World, erin access.Principal)
		left      bool
	}{
		"nothing": {func(*testing.T, *World, access.Principal) {}, false},
		"access":  {func(t *testing.T, w *World, erin access.Principal) { submit(t, w, erin, Read, time.Time{}) }, true},
		"frozen": {func(t *testing.T, w *World, erin access.Principal) {
			freeze(t, w, engine.FreezeOrder{Principal: erin.ID})
		}, true},
		"linked": {func(t *testing.T, w *World, erin access.Principal) {
			if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), erin.ID, tellOf(t, w, "00u-frank").ID, "one human"); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, func(t *testing.T, w *World) {
				erin := tell(t, w, "engineering")
				v, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: erin.Person}, "asked for it in writing")
				for err == nil && v.DoneAt.IsZero() {
					if v.Stage == "passkeys" {
						c.meanwhile(t, w, erin)
					}
					settle(t, w)
					if _, err = w.Engine.Erase(t.Context()); err == nil {
						v, err = w.Engine.Erasure(t.Context(), w.Who(Carol), v.ID)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Directory.Principal(t.Context(), erin.ID); (err == nil) != c.left {
					t.Errorf("she is in the directory: %v", err)
				}
				leave(t, w, erin.ID)
				if _, err := w.Engine.ReconsiderPeople(t.Context()); err != nil {
					t.Fatal(err)
				}
				settle(t, w)
				var live []access.Grant
				err = w.Store.View(t.Context(), func(tx store.Tx) (err error) {
					live, _, err = tx.Grants().List(access.DefaultTenant, store.GrantFilter{Principal: erin.ID, Unended: true}, store.Page{Limit: 10})
					return err
				})
				if err != nil || len(live) > 0 {
					t.Errorf("she has left, and has %+v, %v", live, err)
				}
			}, WithPolicies(provided()...), WithEventsNumbered())
		})
	}
}

func TestPlanForgetChangesNothing(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		others := story(t, w)
		before := keptOf(t, w, others)
		plan, err := w.Engine.PlanForget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: Alice})
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.InDirectory) != 3 {
			t.Errorf("the directory has %v of Alice's", plan.InDirectory)
		}
		if after := keptOf(t, w, others); before != after {
			t.Errorf("planning changed %s", cmp.Diff(before, after))
		}
		if v := forget(t, w, Alice); !cmp.Equal(plan.Counts, v.Counts) || v.Counts["requests"] != 3 {
			t.Errorf("planned were %v, and changed %v", plan.Counts, v.Counts)
		}
	})
}

// An erasure goes on from where a crash has left it, on any node, and enters once that it was done.
func TestErasureGoesOnAfterACrash(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		story(t, w)
		v, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: Alice}, "asked for it in writing")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: Alice}, "asked for it again")
		wantKind(t, err, access.KindConflict)
		steps := 0
		for more := true; more; steps++ {
			if more, err = w.Node().Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if steps < 5 {
			t.Errorf("it took %d steps, and there are five kinds of things to look at", steps)
		}
		settle(t, w)
		nowhere(t, w, "alice", aliceSays, aliceTask)
		done := 0
		for _, ev := range entries(t, w, store.EventFilter{}) {
			if ev.Kind == access.EventPersonForgotten && ev.Detail["erasure"] == string(v.ID) {
				done++
			}
		}
		if done != 1 {
			t.Errorf("%d entries say that she was forgotten", done)
		}
	})
}

// An administrator who is forgotten is taken out of what they did to others, whose names stay.
func TestForgottenAdministrator(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		g := w.Obtain(t, w.Engine, other, Read)
		const why = "a leak in the attic"
		if _, err := w.Engine.Revoke(t.Context(), w.Who(AliceAdmin), g.ID, why); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Freeze(t.Context(), w.Who(AliceAdmin), engine.FreezeOrder{Principal: w.Who(other).ID}, why); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		time.Sleep(26 * time.Hour)
		forget(t, w, Alice)
		nowhere(t, w, AliceAdmin, why)
		f := freezes(t, w)
		if len(f) != 1 || f[0].By.Issuer != access.ErasedIssuer || f[0].Value != other {
			t.Errorf("what she froze is %+v", f)
		}
		if g = w.Grant(t, g.ID); g.Principal != w.Who(other).ID {
			t.Errorf("whose grant she revoked is %s", g.Principal)
		}
	})
}

// TestForgottenInWhatATargetSays has findings of which the books know no grant: whose they are is in the target's own words,
// or in nobody's.
func TestForgottenInWhatATargetSays(t *testing.T) {
	company(t, func(t *testing.T, w *World) {
		story(t, w)
		notes := map[access.FindingID]string{ // what is left of them
			"made for static/alice.": "", "static/alice": "", "of static/alice-agent and others": "", "(static/alice)": "",
			"static/alice.smith": "=", "xstatic/alice": "=", "static/alice2": "=", "malice": "=", "static/alicé": "=",
		}
		insert := func(tx store.Tx) error {
			for note := range notes {
				f := access.Finding{
					ID: "fi_" + note, Tenant: access.DefaultTenant, Connector: "orders-db", Kind: access.FindingOrphan, State: access.FindingOpen,
					Atom: access.Atom{Target: "t", Account: "curfew-" + string(note), Right: "r"}, Note: string(note), FoundAt: tx.Now(), Version: 1,
				}
				if err := tx.Findings().Insert(f); err != nil {
					return err
				}
				f.State, f.ClosedAt = access.FindingRemoved, tx.Now()
				if err := tx.Findings().Update(f); err != nil {
					return err
				}
			}
			return nil
		}
		if err := w.Store.Update(t.Context(), "found", insert); err != nil {
			t.Fatal(err)
		}
		forget(t, w, Alice)
		for note, left := range notes {
			var f access.Finding
			err := w.Store.View(t.Context(), func(tx store.Tx) (err error) {
				f, err = tx.Findings().Get(access.DefaultTenant, "fi_"+note)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if left == "=" {
				left = string(note)
			}
			if f.Note != left || (left == "") != strings.HasPrefix(f.Atom.Account, access.ErasedIssuer) {
				t.Errorf("of %q is left %q, and the account %q", note, f.Note, f.Atom.Account)
			}
		}
	})
}

// Who asked in another's name is forgotten like those whose name it was: as the asker, in what they said, and as a manager.
func TestForgottenWhoAskedInAnothersName(t *testing.T) {
	const erinSays = "a heron in the archive"
	company(t, func(t *testing.T, w *World) {
		r, err := w.Engine.Submit(t.Context(), w.Who(Erin), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: erinSays, Ticket: "TASK-1", OnBehalfOf: w.Who(Alice).ID,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Review(t.Context(), w.Who(Dave), r.ID, engine.Opinion{Verdict: access.Approve, Comment: daveSays}); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		time.Sleep(2 * time.Hour)
		settle(t, w)
		time.Sleep(24 * time.Hour)
		forget(t, w, Erin)
		nowhere(t, w, "static/erin", `"erin"`, erinSays, "TASK-1")
		v := see(t, w, Alice, r.ID)
		if v.Request.AskedBy.Issuer != access.ErasedIssuer || v.Request.Principal != w.Who(Alice).ID || v.Reviews[0].Comment != daveSays {
			t.Errorf("left is %+v with %+v", v.Request, v.Reviews)
		}
	})
}

// A delegation is forgotten from either side, with the reviews that were given under it, and ends with that.
func TestForgottenInDelegations(t *testing.T) {
	for who, person := range map[string]access.PersonID{"the absent one": Bob, "the delegate": Mallory} {
		t.Run(who, func(t *testing.T) {
			company(t, func(t *testing.T, w *World) {
				d, err := w.Engine.Delegate(t.Context(), w.Who(Bob), engine.DelegationOrder{
					To: w.Who(Mallory).ID, Until: time.Now().Add(access.MaxDelegation), Reason: "a heron watches",
				})
				if err != nil {
					t.Fatal(err)
				}
				r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
					Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "x",
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Engine.Review(t.Context(), w.Who(Mallory), r.ID, approve); err != nil {
					t.Fatal(err)
				}
				settle(t, w)
				time.Sleep(2 * time.Hour)
				settle(t, w)
				time.Sleep(24 * time.Hour)
				forget(t, w, person)
				// The input lists who could have reviewed, by their person.
				nowhere(t, w, "static/"+string(person), `"`+string(person)+`"`)
				if person == Bob {
					nowhere(t, w, "a heron watches") // whose words they are
				}
				v := see(t, w, Alice, r.ID)
				if v.Reviews[0].Delegation != d.ID || len(v.Grants) != 1 {
					t.Errorf("left is %+v", v)
				}
				all, _, err := w.Engine.Delegations(t.Context(), w.Who(Olga), engine.DelegationsAll, store.Page{Limit: 1})
				if err != nil || len(all) != 1 || all[0].EndedAt.IsZero() {
					t.Errorf("the delegation stands as %+v, %v", all, err)
				}
			})
		})
	}
}
