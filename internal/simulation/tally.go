package simulation

import (
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

func kindOfKeeper(by string) string {
	if by == access.KeptByStanding {
		return by
	}
	return "a grant"
}
