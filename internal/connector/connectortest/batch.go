package connectortest

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func batchCases() []Case {
	return []Case{
		{Name: "many at once: each ends as if it were alone", needs: []Capability{ownObject}, run: batchOfAll},
		{Name: "many at once: an object of one user is in nobody's way", needs: []Capability{ownObject, MakeObject}, run: batchWithObject},
	}
}

// wrapped is the driver as the engine has it. It is not closed with the wrapper.
func (l *law) wrapped() *connector.Connector {
	return connector.New(l.d, connector.Options{Name: l.h.Entitlement.Connector, Type: connector.Type{Traits: l.h.Traits}, Clock: l.h.Clock})
}

func (l *law) task(g granted) connector.Task {
	return connector.Task{Order: bare(l.again(g.order)), Plan: g.plan}
}

// batchOfAll takes back grants of every kind at once: some that live, one in use, one that was never made, one that is gone
// already, and one whose plan nobody can read. A neighbour is none of them.
func batchOfAll(l *law) {
	neighbour := l.give(l.order(l.h.Another))
	plain, used, gone := l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Entitlement))
	session := l.login(used, "before the batch")
	l.revoke(gone)
	o := l.order(l.h.Entitlement)
	never := granted{order: o, plan: l.prepare(o)}
	unreadable := granted{order: l.order(l.h.Entitlement), plan: access.Plan{Body: []byte(`"?"`)}}
	all := []granted{plain, never, unreadable, used, gone}
	tasks := make([]connector.Task, len(all))
	for i, g := range all {
		tasks[i] = l.task(g)
	}
	const bad = 2
	for i, r := range l.wrapped().RevokeAll(l.ctx(), tasks) {
		if (r.Err != nil) != (i == bad) {
			l.Errorf("Revoke of task %d: %v", i, r.Err)
		}
		if want := 0; l.h.Traits.EndsSessions {
			if i == 3 {
				want = 1
			}
			if r.Removal.SessionsEnded != want {
				l.Errorf("Revoke of task %d counts %d ended sessions, want %d", i, r.Removal.SessionsEnded, want)
			}
		}
	}
	if l.h.Traits.EndsSessions {
		l.wantEnded(session, "the session after the batch")
	}
	for _, g := range []granted{plain, never, used, gone} {
		l.wantState(g, connector.Absent, "after the batch, read alone")
		if g.outcome.Credential != nil {
			l.wantRefused(g.order.Entitlement, g.credential(), "after the batch")
		}
	}
	tasks = append(tasks, l.task(neighbour))
	for i, r := range l.wrapped().ObserveAll(l.ctx(), tasks) {
		want := connector.Absent
		if i == len(all) {
			want = connector.Present
		}
		switch {
		case (r.Err != nil) != (i == bad):
			l.Errorf("Observe of task %d: %v", i, r.Err)
		case r.Err == nil && r.Presence.State() != want:
			l.Errorf("Observe says of task %d that it is %s, want %s", i, r.Presence.State(), want)
		case r.Err == nil && r.Presence.ReadBy == "":
			l.Errorf("Observe of task %d does not say who read, with which positive control", i)
		}
	}
	l.login(neighbour, "a neighbour after the batch")
}

func batchWithObject(l *law) {
	owner, plain := l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Another))
	l.h.MakeObject(l.TB, owner.credential())
	for i, r := range l.wrapped().RevokeAll(l.ctx(), []connector.Task{l.task(owner), l.task(plain)}) {
		if r.Err != nil {
			l.Errorf("Revoke of task %d: %v", i, r.Err)
		}
	}
	l.wantGone(owner, "after the batch, with an object")
	l.wantGone(plain, "after the batch")
	l.tidy(owner)
}
