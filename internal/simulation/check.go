package simulation

import (
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// promise is something that must hold between a state and the one after it. It returns what is wrong, or nothing.
type promise struct {
	name  string
	holds func(w *World, before, now *state) string
}

// promises are those of the design, as far as they are built.
func promises() []promise {
	return []promise{
		{"what was accepted is not lost", acceptedIsKept},
		{"no access without a decision", decidedFirst},
		{"nobody reviews what is theirs or what they asked for", reviewedByOthers},
		{"who agrees stands in a stage", standsThere},
		{"access begins on the word of those who may still give it", begunOnReviews},
		{"who has left keeps nothing", leftIsOver},
		{"nothing lives on the word of who has left", wordsOfThoseWhoLeft},
		{"who has left is signed out", leaversAreOut},
		{"a session that has ended stays so", endedStaysEnded},
		{"no session outlives the provider's it came of", overThereIsOver},
		{"an approved request has one grant for each of its entitlements", oneGrantEach},
		{"nothing is at the target that no committed plan explains", planned},
		{"states follow the table", statesFollow},
		{"every change of state has its audit entry in the same transaction", audited},
		{"entries are numbered without gaps", numberedInTurn},
		{"the tree has what is numbered, and only grows", treeGrows},
		{"the deadline moves as was promised, and not else", deadlineStays},
		{"the target ends access no later than its deadline", nativeExpiry},
		{"the credential is gone with the access", credentialGone},
		{"what is sealed opens", sealedOpens},
		{"what is live stays", liveStays},
		{"ended is gone, read back, and final", endedIsGone},
		{"an attested end has two other persons' word, and no more", attestedByTwo},
		{"what is frozen does not begin", frozenStaysOut},
		{"a freeze that was carried out has left nothing live", frozenIsOver},
		{"a bundle that cannot begin as a whole is undone", undoneTogether},
		{"what an ended grant shared is gone or kept by something", endedIsExplained},
		{"what others have at the target stays as it is", othersStay},
		{"what somebody removed at the target is not made again", takenStays},
		{"access goes to the account of who asked", ownAccountOnly},
		{"what is found to be too much is no live grant's", foundIsOver},
	}
}

// check holds the world to its promises, if there may be something new.
func (w *World) check() {
	if !w.changed || w.broken != nil {
		return
	}
	w.changed = false
	before := w.seen
	now, err := w.look()
	if err != nil {
		w.breaks("the store answers", "%v", err)
		return
	}
	for _, e := range now.entries {
		w.trace.add("", "= %s %s %s", e.Kind, e.Request, e.Grant)
		w.reached[string(e.Kind)]++
	}
	for _, id := range now.appended {
		w.entered[id] = true
	}
	w.learnPersons(&now)
	w.tally(&before, &now)
	w.learnOwner(&before, &now)
	w.seen = now
	for _, p := range promises() {
		if wrong := p.holds(w, &before, &now); wrong != "" {
			w.breaks(p.name, "%s", wrong)
			return
		}
	}
}

// leftBehind holds a task that is over to its promise: who lost the race for a grant after having acted on it has undone
// that, unless an accident kept it from doing so.
func (w *World) leftBehind(t *task) {
	for _, made := range t.granted {
		if !made.lost || made.troubles != t.troubles || w.broken != nil {
			continue
		}
		now, err := w.look()
		if err != nil {
			w.breaks("the store answers", "%v", err)
			return
		}
		g := now.grants[made.grant]
		over := g.State == access.GrantRevoking || g.State == access.GrantEnded
		if _, there := now.accounts[g.ID]; there && over && !isAttested(g) && w.strays[g.ID] == nil && !w.mayStillAct(g.ID) {
			w.breaks("who loses the race undoes what it did", "%s is %s, and its access is at the target", g.ID, g.State)
		}
	}
}

// grantOf reads the grant in a mark.
func grantOf(m access.Mark) access.GrantID {
	parts := strings.Split(string(m), ":")
	if len(parts) < 5 {
		return access.GrantID("an unreadable mark " + string(m))
	}
	return access.GrantID(parts[4])
}

// each asks of every grant, in order, and returns the first answer that is not empty.
func each(s *state, ask func(g access.Grant) string) string {
	for _, id := range sortedKeys(s.grants) {
		if wrong := ask(s.grants[id]); wrong != "" {
			return wrong
		}
	}
	return ""
}

func wrongf(when bool, format string, args ...any) string {
	if !when {
		return ""
	}
	return fmt.Sprintf(format, args...)
}
