package simulation

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// forgetTurns is how many things are done while somebody is forgotten, with all accidents that there are in a store.
const forgetTurns = 150

// forgetSomebody comes when everything has ended, and been looked at again: somebody is forgotten, on nodes that die and
// with a store that fails. In the end nothing names them, and the log verifies.
func (w *World) forgetSomebody() {
	if !w.choose.chance(25) {
		return
	}
	pass(25 * time.Hour) // what has ended is looked at again for a day
	name := one(w.choose, []string{enginetest.Alice, enginetest.Bob, enginetest.Erin, enginetest.Mallory, frank, grace})
	by := w.people.who(enginetest.Carol)
	persons := w.calledAs(w.people.who(name).Person)
	known := count(w.seen.grants, func(g access.Grant) bool { return g.Account == name }) > 0
	w.habits.held, w.habits.crash = one(w.choose, []int{0, 20, 50}), one(w.choose, []int{0, 3})
	w.habits.storeFails, w.habits.answerLost, w.habits.lateCommit = one(w.choose, []int{0, 4}), one(w.choose, []int{0, 6}), one(w.choose, []int{0, 3})
	ordered := map[access.PersonID]bool{}
	for turn := 0; turn < forgetTurns && w.broken == nil; turn++ {
		w.clearUp()
		n := w.anyNode()
		runnable := flag(len(w.sched.runnable()) > 0)
		switch w.choose.among(60*runnable, 4, 20, 6, 6, 2, 2, w.habits.crash, 1) {
		case 0:
			w.goOn()
		case 1:
			person := one(w.choose, persons)
			w.call(n, enginetest.Carol, fmt.Sprintf("has %s forgotten", person), func(ctx context.Context, e *engine.Engine) error {
				_, err := e.Forget(ctx, by, engine.ForgetOrder{Person: person}, "they have asked for it")
				if err == nil {
					ordered[person] = true
				}
				return err
			})
		case 2:
			w.erase(n)
		case 3:
			w.sequence(n)
		case 4:
			w.integrate(n)
		case 5:
			w.rotate(n)
		case 6:
			w.keepKeys(n)
		case 7:
			w.crash(n)
		default:
			w.wait()
		}
		w.check()
	}
	w.calm()
	for range patience {
		w.finishTasks()
		if w.broken != nil || w.atRest() && !w.forgetting() {
			break
		}
		for _, n := range w.nodes {
			w.sequence(n)
			w.integrate(n)
			w.erase(n)
			w.keepKeys(n)
		}
		pass(time.Second)
	}
	switch {
	case w.broken != nil:
	case w.forgetting():
		w.breaks("everything ends", "%s is not forgotten", name)
	case len(ordered) == len(persons):
		w.namesNobody(name, known)
	}
}

// calledAs are the names that a person goes by, and those that accounts of theirs went by before they were linked.
func (w *World) calledAs(person access.PersonID) []access.PersonID {
	names := []access.PersonID{person}
	for _, id := range sortedKeys(w.seen.profiles) {
		for _, name := range w.seen.profiles[id].Formerly {
			if w.seen.profiles[id].Person == person && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// isForgotten tells the grants of which nobody knows any more whose they were.
func isForgotten(g access.Grant) bool { return g.Principal.Issuer == access.ErasedIssuer }

// isErased tells the delegations of which nobody knows any more whose they were. Each is over with that, as the entry of the
// erasure says.
func isErased(d access.Delegation) bool {
	return d.Absent.Issuer == access.ErasedIssuer || d.Delegate.Issuer == access.ErasedIssuer
}

// erase has a node carry out what was ordered.
func (w *World) erase(n *node) {
	w.call(n, "erase", "forgets", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Erase(ctx)
		return err
	})
}

// forgetting reports whether somebody is being forgotten still.
func (w *World) forgetting() (is bool) {
	err := w.books.View(context.Background(), func(tx store.Tx) error {
		list, err := tx.Erasures().Unfinished(access.DefaultTenant, 1)
		is = len(list) > 0
		return err
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
	return is
}

// namesNobody looks for the name in everything that the store has. known says that Curfew knew an account of that name at the
// target to be theirs: else it is anybody's, and stays where somebody found it.
func (w *World) namesNobody(name string, known bool) {
	word := regexp.MustCompile(`.{0,100}\b` + name + `\b.{0,100}`)
	look := func(where string, row any) {
		text := fmt.Sprintf("%+v", row)
		if !strings.Contains(text, name) {
			return // which is quicker to tell
		}
		if found := word.FindString(text); found != "" {
			w.breaks("who is forgotten is named nowhere", "%s: …%s…", where, found)
		}
	}
	now, err := w.look()
	if err != nil {
		w.breaks("the store answers", "%v", err)
		return
	}
	for id, r := range now.requests {
		look("a request", r)
		look("a review", now.reviews[id])
	}
	for id, g := range now.grants {
		look("a grant", g)
		look("an attestation", now.attestations[id])
	}
	for _, f := range now.findings {
		if !known {
			f.Atom.Account = ""
		}
		if f.State != access.FindingOpen { // an open one is somebody's to look at
			look("a finding", f)
		}
	}
	for _, f := range now.freezes {
		look("a freeze", f)
	}
	for _, id := range sortedKeys(now.delegations) {
		look("a delegation", now.delegations[id])
	}
	for _, id := range sortedKeys(now.profiles) {
		look("a profile", now.profiles[id])
	}
	err = w.books.View(context.Background(), func(tx store.Tx) error {
		for id := range now.requests {
			decisions, err := tx.Decisions().List(access.DefaultTenant, id)
			if err != nil {
				return err
			}
			for _, d := range decisions {
				look("a decision", string(d.Input)+string(d.Decision))
			}
		}
		for after := int64(0); after < now.position; {
			rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, after, maxRows)
			if err != nil || len(rows) == 0 {
				return err
			}
			for _, row := range rows {
				look("an entry", string(row.Leaf))
				for _, p := range row.Personal {
					if known || p.Field != "account" {
						look("a value of an entry", p)
					}
				}
				after = row.Position
			}
		}
		return nil
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
}
