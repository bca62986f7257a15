package connectortest

import (
	"github.com/curfewhq/curfew/internal/connector"
)

func sessionCases() []Case {
	return []Case{
		{Name: "open sessions are seen, ended and counted", needs: []Capability{sessionEnd}, run: sessionsEnd},
		{Name: "a session that outlives native expiry ends at revoke",
			needs: []Capability{sessionEnd, nativeExpiry, WaitPast}, run: expiredSessionEnds},
		{Name: "another grant's session survives revoke", needs: []Capability{ownObject}, run: otherSessionSurvives},
		{Name: "a standing session survives revoke", needs: []Capability{Standing}, run: standingSessionSurvives},
	}
}

func sessionsEnd(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	first, second := l.login(g, "first session"), l.login(g, "second session")
	if n := l.observe(g).Sessions; n != 2 {
		l.Errorf("Observe counts %d sessions, want 2", n)
	}
	if r := l.revoke(g); r.SessionsEnded != 2 {
		l.Errorf("Revoke counts %d ended sessions, want 2", r.SessionsEnded)
	}
	l.wantEnded(first, "first session after Revoke")
	l.wantEnded(second, "second session after Revoke")
	l.wantGone(g, "after Revoke with open sessions")
	if r := l.revoke(g); r.SessionsEnded != 0 {
		l.Errorf("a second Revoke counts %d ended sessions, want 0", r.SessionsEnded)
	}
}

func expiredSessionEnds(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	s := l.login(g, "before the deadline")
	g = l.extend(g, l.now().Add(shortLife))
	l.h.WaitPast(l.TB, g.order.Deadline)
	l.revoke(g)
	l.wantEnded(s, "session after the deadline and Revoke")
	l.wantState(g, connector.Absent, "after the deadline and Revoke")
}

func otherSessionSurvives(l *law) {
	ours, other := l.give(l.order(l.h.Entitlement)), l.order(l.h.Entitlement)
	other.Principal.Subject = "bob"
	theirs := l.give(other)
	s, t := l.login(ours, "our session"), l.login(theirs, "another's session")
	l.revoke(ours)
	l.wantUse(t, "another's session after our Revoke")
	l.wantState(theirs, connector.Present, "another's grant after our Revoke")
	l.login(theirs, "another's log-in after our Revoke")
	if l.h.Traits.EndsSessions {
		l.wantEnded(s, "our session after our Revoke")
	}
}

func standingSessionSurvives(l *law) {
	standing := l.h.Standing(l.TB)
	l.Cleanup(standing.Close)
	l.wantUse(standing, "before Grant")
	g := l.give(l.order(l.h.Entitlement))
	l.login(g, "after Grant")
	l.wantUse(standing, "after Grant")
	l.revoke(g)
	l.wantGone(g, "after Revoke")
	l.wantUse(standing, "after Revoke")
	again := l.h.Standing(l.TB)
	l.Cleanup(again.Close)
	l.wantUse(again, "a standing log-in after Revoke")
}
