package simulation

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// reviewedAnew is a breach that has the review given since the state before, and access begun on it since.
func reviewedAnew(change func(rv *access.Review, now *state)) func(*World, *state, *state) {
	return func(_ *World, before, now *state) {
		before.reviews = nil
		alter(before.grants, theGrant, func(g *access.Grant) { g.ActivatedAt = time.Time{} })
		alter(now.requests, theRequest, func(r *access.Request) { r.CreatedAt = time.Now() })
		rv := now.reviews[theRequest][0]
		rv.At = time.Now()
		change(&rv, now)
		now.reviews = map[access.RequestID][]access.Review{theRequest: {rv}}
	}
}

// inStead is reviewedAnew by Mallory in Bob's stead.
func inStead(change func(d *access.Delegation, rv *access.Review)) func(*World, *state, *state) {
	return reviewedAnew(func(rv *access.Review, now *state) {
		d := access.Delegation{
			ID: "dl_1", Absent: id(enginetest.Bob), Delegate: id(enginetest.Mallory), From: rv.At, Until: rv.At.Add(time.Minute),
		}
		rv.Reviewer, rv.Delegation, rv.InSteadOf = d.Delegate, d.ID, d.Absent
		change(&d, rv)
		now.delegations = map[access.DelegationID]access.Delegation{d.ID: d}
	})
}

// by has somebody review.
func by(name string) func(*access.Review, *state) {
	return func(rv *access.Review, _ *state) { rv.Reviewer = id(name) }
}

// leaves has the grant be of one who has left, whatever else is so.
func leaves(change func(p *access.Profile, now *state)) func(*World, *state, *state) {
	return func(_ *World, _, now *state) {
		p := access.Profile{ProfileID: "pr_1", Principal: access.Principal{ID: id(enginetest.Alice)}}
		change(&p, now)
		now.profiles = map[access.ProfileID]access.Profile{p.ProfileID: p}
	}
}

// signedIn has somebody of whom the source tells be signed in.
func signedIn(change func(p *access.Profile, s *access.Session)) func(*World, *state, *state) {
	return func(_ *World, _, now *state) {
		p := access.Profile{ProfileID: "pr_1", Principal: access.Principal{ID: id(grace), Person: grace}}
		s := access.Session{ID: "se_1", Principal: p.ID, Person: p.Person}
		change(&p, &s)
		now.profiles, now.sessions = map[access.ProfileID]access.Profile{p.ProfileID: p}, map[access.SessionID]access.Session{s.ID: s}
	}
}

// breachesOfPeople are breaches of what is promised of who agrees, in whose stead, and who leaves.
func breachesOfPeople() map[string][]func(*World, *state, *state) {
	type breach = func(*World, *state, *state)
	return map[string][]breach{
		"nobody reviews what is theirs or what they asked for": {
			reviewedAnew(func(rv *access.Review, _ *state) { rv.Reviewer, rv.Person = id(enginetest.AliceAdmin), "somebody" }),
			reviewedAnew(func(_ *access.Review, now *state) {
				alter(now.requests, theRequest, func(r *access.Request) { r.AskedBy = id(enginetest.Bob) })
			}),
			func(w *World, before, _ *state) { before.reviews, w.askers[theRequest] = nil, id(enginetest.Bob) },
			reviewedAnew(func(rv *access.Review, _ *state) { rv.InSteadOf = id(enginetest.AliceAdmin) }),
			reviewedAnew(func(_ *access.Review, now *state) {
				alter(now.requests, theRequest, func(r *access.Request) { r.Principal, r.ActsFor = id(enginetest.Dave), id(enginetest.Bob) })
			}),
		},
		"who agrees stands in a stage": {
			reviewedAnew(by(enginetest.Mallory)), reviewedAnew(by(enginetest.AliceAgent)), reviewedAnew(by(enginetest.Carol)),
			reviewedAnew(by(grace)),
			inStead(func(d *access.Delegation, _ *access.Review) { d.Until = d.From }),
			inStead(func(d *access.Delegation, _ *access.Review) { d.EndedAt = d.From }),
			inStead(func(d *access.Delegation, _ *access.Review) { d.Delegate = id(enginetest.Carol) }),
			inStead(func(d *access.Delegation, _ *access.Review) { d.Absent = id(enginetest.Dave) }),
			inStead(func(d *access.Delegation, rv *access.Review) {
				d.Absent, rv.InSteadOf = id(enginetest.Carol), id(enginetest.Carol)
			}),
		},
		"access begins on the word of those who may still give it": {
			reviewedAnew(func(rv *access.Review, _ *state) { rv.Verdict = access.Deny }), reviewedAnew(by(grace)),
			inStead(func(d *access.Delegation, _ *access.Review) { d.EndedAt = d.From }),
			inStead(func(d *access.Delegation, rv *access.Review) { d.Absent, rv.InSteadOf = id(grace), id(grace) }),
			inStead(func(d *access.Delegation, rv *access.Review) { rv.At, d.Until = rv.At.Add(-time.Minute), d.From }),
		},
		"who has left is signed out": {
			signedIn(func(p *access.Profile, _ *access.Session) { p.GoneAt = time.Now() }),
			signedIn(func(_ *access.Profile, s *access.Session) { s.Person = "another" }),
		},
		"a session that has ended stays so": {
			func(w *World, _, now *state) {
				now.sessions, w.ended["se_1"] = map[access.SessionID]access.Session{"se_1": {ID: "se_1"}}, true
			},
		},
		"no session outlives the provider's it came of": {
			func(w *World, _, now *state) {
				now.sessions = map[access.SessionID]access.Session{"se_1": {ID: "se_1", Kind: access.SessionSignIn, ProviderSession: "sid-1"}}
				w.there = []*atProvider{{name: "sid-1", over: true}}
			},
		},
		"nothing lives on the word of who has left": {
			func(_ *World, _, now *state) { now.reviews[theRequest][0].Reviewer = id(grace) },
			func(_ *World, _, now *state) {
				now.reviews[theRequest][0].InSteadOf, now.reviews[theRequest][0].Delegation = id(grace), "dl_1"
			},
			func(_ *World, _, now *state) { now.reviews = nil },
			func(w *World, _, _ *state) { w.people.persons[id(enginetest.Bob)] = enginetest.Alice }, // who agreed is who asked
		},
		"who has left keeps nothing": {
			leaves(func(p *access.Profile, _ *state) {
				p.GoneAt, p.Groups = time.Now(), []string{source + "/engineering"}
			}),
			leaves(func(*access.Profile, *state) {}),
			leaves(func(_ *access.Profile, now *state) {
				clear(now.grants)
				alter(now.requests, theRequest, func(r *access.Request) { r.State = access.RequestPending })
			}),
		},
		"every change of state has its audit entry in the same transaction": {
			func(_ *World, _, now *state) { now.delegations = map[access.DelegationID]access.Delegation{"dl_1": {}} },
			func(_ *World, before, now *state) {
				before.delegations = map[access.DelegationID]access.Delegation{"dl_1": {}}
				now.delegations = map[access.DelegationID]access.Delegation{"dl_1": {EndedAt: time.Now()}}
			},
			leaves(func(*access.Profile, *state) {}),
			func(_ *World, before, now *state) {
				before.profiles = map[access.ProfileID]access.Profile{"pr_1": {}}
				now.profiles = map[access.ProfileID]access.Profile{"pr_1": {GoneAt: time.Now()}}
			},
			func(_ *World, before, now *state) {
				before.profiles = map[access.ProfileID]access.Profile{"pr_1": {GoneAt: time.Now()}}
				now.profiles = map[access.ProfileID]access.Profile{"pr_1": {}}
			},
			func(_ *World, before, now *state) {
				before.profiles = map[access.ProfileID]access.Profile{"pr_1": {}}
				now.profiles = map[access.ProfileID]access.Profile{"pr_1": {Principal: access.Principal{Groups: []string{"x"}}}}
			},
		},
	}
}
