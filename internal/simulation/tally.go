package simulation

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// tally counts what has come about since the state before, so that a simulation that no longer gets anywhere is noticed.
func (w *World) tally(before, now *state) {
	for id, g := range now.grants {
		was := before.grants[id]
		if was.State != access.GrantEnded && g.State == access.GrantEnded {
			w.reached["end: "+string(g.EndReason)]++
			for _, by := range strings.Fields(g.KeptBy) {
				w.reached["kept by: "+kindOfKeeper(by)]++
			}
		}
		if isAnnounced(g, now.now) && was.State == access.GrantActive {
			w.reached["announced"]++
		}
		if isAnnounced(was, before.now) && was.EndReason != g.EndReason {
			w.reached["brought forward"]++
		}
		if was.Lease != "" && g.Lease != "" && was.Lease != g.Lease {
			w.reached["lease lost"]++
		}
	}
	w.tallyPeople(before, now)
	for id, r := range now.requests {
		_, known := before.requests[id]
		if w.shared() && !known && r.State == access.RequestDenied && r.Principal.Subject == enginetest.AliceAgent {
			w.reached["no account"]++
		}
	}
	for id, f := range now.findings {
		if _, known := before.findings[id]; !known {
			w.reached["finding: "+string(f.Kind)]++
		}
	}
}

// tallyPeople counts what has come about of requests in others' names, reviews in others' stead, and people who leave.
func (w *World) tallyPeople(before, now *state) {
	for id, r := range now.requests {
		was := before.requests[id]
		if r.State == access.RequestApproved && was.State != r.State && !r.AskedBy.IsZero() {
			w.reached["approved: in another's name"]++
		}
		for _, rv := range now.reviews[id][len(before.reviews[id]):] {
			switch {
			case rv.Delegation != "":
				w.reached["reviewed: in another's stead"]++
			case rv.Reviewer == w.people.who(enginetest.Carol).ID:
				w.reached["reviewed: by the fall-back"]++
			}
		}
	}
	for grant, g := range now.grants {
		was := before.grants[grant]
		over := func(rv access.Review) bool {
			return rv.Delegation != "" && !now.delegations[rv.Delegation].Holds(now.now)
		}
		if g.EndReason == access.EndIneligible && was.State == access.GrantScheduled && slices.ContainsFunc(now.reviews[g.Request], over) {
			w.reached["not begun: the delegation is over"]++
		}
		if g.EndReason == access.EndIneligible && was.State.Live() && was.EndReason == "" && g.Principal.Issuer == source {
			w.reached["taken back: who has it has left"]++
		}
		byGrace := func(rv access.Review) bool { return rv.Reviewer == id(grace) || rv.InSteadOf == id(grace) }
		if g.EndReason == access.EndIneligible && was.State.Live() && was.EndReason == "" && slices.ContainsFunc(now.reviews[g.Request], byGrace) {
			w.reached["taken back: who agreed has left"]++
		}
		asked := w.parties(now.requests[g.Request])
		byThem := func(rv access.Review) bool { return slices.Contains(asked, w.people.personOf(rv.Reviewer)) }
		if g.EndReason == access.EndIneligible && was.State.Live() && was.EndReason == "" && slices.ContainsFunc(now.reviews[g.Request], byThem) {
			w.reached["taken back: who agreed is who asked"]++
		}
	}
}

func kindOfKeeper(by string) string {
	if by == access.KeptByStanding {
		return by
	}
	return "a grant"
}
