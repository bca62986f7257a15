package simulation

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
)

const (
	theRequest access.RequestID = "req_1"
	theGrant   access.GrantID   = "gr_1"
)

// kept is a world in which somebody writes with a lead's consent, and all promises are kept.
func kept(w *World) (before, now state) {
	begin := time.Now()
	r := access.Request{
		ID: theRequest, Principal: id(enginetest.Alice), Person: enginetest.Alice, Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Write)},
		Duration: time.Hour, State: access.RequestApproved, SettledAt: begin, LapsesAt: begin.Add(time.Hour),
	}
	g := access.Grant{
		ID: theGrant, Request: r.ID, Principal: r.Principal, Person: r.Person, Entitlement: r.Entitlements[0], Duration: time.Hour, State: access.GrantActive,
		ActivatedAt: begin, Deadline: begin.Add(time.Hour), MarkGeneration: 1,
	}
	review := access.Review{Reviewer: id(enginetest.Bob), Person: enginetest.Bob, Verdict: access.Approve}
	now = state{
		requests:    map[access.RequestID]access.Request{r.ID: r},
		grants:      map[access.GrantID]access.Grant{g.ID: g},
		reviews:     map[access.RequestID][]access.Review{r.ID: {review}},
		decisions:   map[access.RequestID]int{r.ID: 2},
		planned:     map[access.GrantID]bool{g.ID: true},
		sealedUnder: map[access.GrantID]int{g.ID: 1},
		keys:        []store.Key{{WrappedKeys: secret.WrappedKeys{Generation: 1, Sealing: []byte{1}}}},
		sealed:      map[access.GrantID]bool{g.ID: true},
		entries:     []entry{{access.EventGrantActive, r.ID, g.ID, string(access.GrantActivating), string(access.GrantActive)}},
		accounts:    map[access.GrantID]memory.Account{g.ID: {Expiry: g.Deadline}},
		others:      map[string]memory.Account{"guest": {Name: "guest"}},
		members:     map[right]access.Mark{},
		findings:    map[access.FindingID]access.Finding{},
	}
	w.owner.accounts["guest"] = now.others["guest"]
	g.State = access.GrantActivating
	before = now
	before.grants = map[access.GrantID]access.Grant{g.ID: g}
	w.accepted = []access.RequestID{r.ID}
	return before, now
}

// share makes the grant one of memberships, beside another's.
func share(w *World, now *state) {
	w.shape = connector.BareRight
	clear(now.accounts)
	clear(now.sealed)
	alter(now.grants, theGrant, func(g *access.Grant) { g.Account = g.Principal.Subject })
	for _, r := range w.rightsOf(now.grants[theGrant]) {
		now.members[r] = ""
	}
	w.owner.members[bobReads], now.members[bobReads] = "", ""
}

// bobReads is a membership that has nothing to do with Curfew.
var bobReads = right{enginetest.Bob, "orders:read"}

// end ends the grant as it should be.
func end(before, now *state) {
	g := now.grants[theGrant]
	g.State = access.GrantRevoking
	before.grants[theGrant] = g
	g.State, g.EndedAt, g.VerifiedAt, g.VerifiedBy = access.GrantEnded, g.Deadline, g.Deadline, "reader"
	now.grants[theGrant] = g
	now.entries = []entry{{access.EventGrantEnded, theRequest, theGrant, string(access.GrantRevoking), string(access.GrantEnded)}}
	clear(now.accounts)
	clear(now.sealed)
	for r := range now.members {
		if r != bobReads {
			delete(now.members, r)
		}
	}
}

// extended has the grant's deadline moved from ten minutes to so long from its start, as was promised.
func extended(before, now *state, to time.Duration) {
	g := now.grants[theGrant]
	g.Deadline, g.Duration = g.ActivatedAt.Add(10*time.Minute), 10*time.Minute
	g.ExtendTo = g.ActivatedAt.Add(to)
	before.grants[theGrant] = g
	g.Deadline, g.Duration, g.ExtendTo = g.ExtendTo, to, time.Time{}
	now.grants[theGrant] = g
}

// attested ends the grant by the word of some.
func attested(before, now *state, by ...string) {
	end(before, now)
	alter(now.grants, theGrant, func(g *access.Grant) {
		g.EndReason, g.VerifiedAt, g.VerifiedBy = access.EndAttested, time.Time{}, ""
	})
	now.attestations = map[access.GrantID][]access.Attestation{}
	for _, name := range by {
		now.attestations[theGrant] = append(now.attestations[theGrant], access.Attestation{Person: access.PersonID(name)})
	}
}

func alter[K comparable, V any](m map[K]V, k K, f func(*V)) {
	v := m[k]
	f(&v)
	m[k] = v
}

// breaches break each promise in each of its ways.
func breaches() map[string][]func(w *World, before, now *state) {
	type breach = func(w *World, before, now *state)
	grant := func(f func(*access.Grant)) breach {
		return func(_ *World, _, now *state) { alter(now.grants, theGrant, f) }
	}
	request := func(f func(*access.Request)) breach {
		return func(_ *World, _, now *state) { alter(now.requests, theRequest, f) }
	}
	frozen := func(f breach) breach {
		return func(w *World, before, now *state) {
			before.freezes = []access.Freeze{{Scope: access.FreezeConnector, Value: connectorName}}
			before.requests = maps.Clone(before.requests)
			f(w, before, now)
		}
	}
	ended := func(f breach) breach {
		return func(w *World, before, now *state) { end(before, now); f(w, before, now) }
	}
	shared := func(f breach) breach {
		return func(w *World, before, now *state) { share(w, now); f(w, before, now) }
	}
	stays := func(by string) breach {
		return shared(ended(func(w *World, _, now *state) {
			alter(now.grants, theGrant, func(g *access.Grant) { g.KeptBy = by })
			now.members[w.rightsOf(now.grants[theGrant])[0]] = ""
		}))
	}
	finds := func(kind access.FindingKind) breach {
		return func(_ *World, before, now *state) {
			before.findings = nil
			now.findings["fd_1"] = access.Finding{ID: "fd_1", Kind: kind, Grant: theGrant}
		}
	}
	return map[string][]breach{
		"what was accepted is not lost": {
			func(w *World, _, _ *state) { w.accepted = append(w.accepted, "req_2") },
			func(_ *World, before, _ *state) { before.grants["gr_2"] = access.Grant{} },
		},
		"no access without a decision": {
			func(_ *World, _, now *state) { clear(now.decisions) },
			func(_ *World, _, now *state) { now.decisions[theRequest] = 1 },
			func(_ *World, _, now *state) { clear(now.reviews) },
			request(func(r *access.Request) { r.SettledAt = r.LapsesAt }),
		},
		"an approved request has one grant for each of its entitlements": {
			func(_ *World, _, now *state) { now.grants["gr_2"] = now.grants[theGrant] },
			request(func(r *access.Request) {
				r.Entitlements = append(r.Entitlements, enginetest.Entitlement(enginetest.Read))
			}),
			request(func(r *access.Request) { r.State = access.RequestDenied }),
		},
		"nothing is at the target that no committed plan explains": {
			func(_ *World, _, now *state) { clear(now.planned) },
			func(_ *World, _, now *state) { now.accounts["gr_2"] = memory.Account{} },
			grant(func(g *access.Grant) { g.ActivatedAt = time.Time{} }),
			shared(func(_ *World, _, now *state) { clear(now.planned) }),
			shared(func(_ *World, _, now *state) { now.members[right{enginetest.Bob, "orders:drop"}] = "" }),
			shared(grant(func(g *access.Grant) { g.State = access.GrantScheduled })),
			stays(""),
		},
		"states follow the table": {
			func(_ *World, before, _ *state) {
				alter(before.grants, theGrant, func(g *access.Grant) { g.State = access.GrantRevoking })
			},
			func(_ *World, before, _ *state) { clear(before.grants) },
			func(_ *World, before, _ *state) {
				before.requests = map[access.RequestID]access.Request{theRequest: {State: access.RequestDenied}}
			},
		},
		"every change of state has its audit entry in the same transaction": {
			func(_ *World, _, now *state) { now.entries = nil },
			func(_ *World, _, now *state) { now.entries = append(now.entries, now.entries[0]) },
			func(_ *World, _, now *state) { now.entries[0].From = string(access.GrantScheduled) },
			finds(access.FindingForeign),
			func(_ *World, _, now *state) {
				now.keys = append(now.keys, store.Key{WrappedKeys: secret.WrappedKeys{Generation: 2}})
			},
			func(_ *World, _, now *state) { now.keys = nil },
			func(_ *World, before, now *state) { before.keys, now.keys[0].Sealing = slices.Clone(now.keys), nil },
		},
		"the deadline moves as was promised, and not else": {
			grant(func(g *access.Grant) { g.Deadline = g.Deadline.Add(-time.Second) }),
			grant(func(g *access.Grant) { g.ActivatedAt = g.ActivatedAt.Add(time.Second) }),
			func(_ *World, before, now *state) {
				clear(before.grants)
				alter(now.grants, theGrant, func(g *access.Grant) { g.Duration = time.Minute })
			},
			func(_ *World, before, now *state) {
				clear(before.grants)
				alter(now.requests, theRequest, func(r *access.Request) { r.Duration = time.Minute })
			},
			grant(func(g *access.Grant) { g.Duration += time.Second }),
			grant(func(g *access.Grant) { g.ExtendTo = g.Deadline }),
			func(_ *World, before, now *state) {
				extended(before, now, 30*time.Minute)
				alter(now.grants, theGrant, func(g *access.Grant) { g.Deadline = g.Deadline.Add(time.Second) })
			},
			func(_ *World, before, now *state) { extended(before, now, 90*time.Minute) },
		},
		"an attested end has two other persons' word, and no more": {
			func(_ *World, before, now *state) { attested(before, now, enginetest.Carol) },
			func(_ *World, before, now *state) { attested(before, now, enginetest.Carol, enginetest.Carol) },
			func(_ *World, before, now *state) { attested(before, now, enginetest.Carol, enginetest.Alice) },
			func(_ *World, before, now *state) {
				attested(before, now, enginetest.Carol, enginetest.Dave)
				alter(now.grants, theGrant, func(g *access.Grant) { g.VerifiedAt = g.EndedAt })
			},
		},
		"what is frozen does not begin": {
			frozen(func(_ *World, before, _ *state) { clear(before.requests) }),
			frozen(func(_ *World, before, _ *state) { clear(before.grants) }),
			frozen(func(_ *World, before, now *state) {
				alter(before.grants, theGrant, func(g *access.Grant) { g.State = access.GrantScheduled })
				alter(now.grants, theGrant, func(g *access.Grant) { g.State = access.GrantActivating })
			}),
			frozen(grant(func(g *access.Grant) { g.ExtendTo = g.Deadline.Add(time.Second) })),
			frozen(func(_ *World, _, now *state) {
				now.entries = append(now.entries, entry{Kind: access.EventCredentialFetched, Grant: theGrant})
			}),
		},
		"a freeze that was carried out has left nothing live": {
			func(_ *World, _, now *state) {
				now.freezes = []access.Freeze{{Scope: access.FreezePerson, Value: enginetest.Alice, SweptAt: time.Now()}}
			},
		},
		"a bundle that cannot begin as a whole is undone": {
			func(_ *World, before, now *state) {
				alter(now.requests, theRequest, func(r *access.Request) { r.Bundle = "incident" })
				before.grants["gr_2"] = access.Grant{ID: "gr_2", Request: theRequest, State: access.GrantScheduled}
				now.grants["gr_2"] = access.Grant{ID: "gr_2", Request: theRequest, State: access.GrantEnded, EndReason: access.EndFailed}
			},
		},
		"the tree has what is numbered, and only grows": {
			func(_ *World, _, now *state) { now.integrated = now.position + 1 },
			func(_ *World, before, now *state) { before.integrated, now.integrated = 1, 0 },
		},
		"entries are numbered without gaps": {
			func(_ *World, _, now *state) { now.numbered = []int64{2} },
			func(_ *World, _, now *state) { now.numbered = []int64{1, 1} },
		},
		"the target ends access no later than its deadline": {
			func(_ *World, _, now *state) { now.accounts[theGrant] = memory.Account{} },
			func(_ *World, _, now *state) {
				alter(now.accounts, theGrant, func(a *memory.Account) { a.Expiry = a.Expiry.Add(time.Microsecond) })
			},
		},
		"the credential is gone with the access": {
			grant(func(g *access.Grant) { g.State = access.GrantRevoking }),
		},
		"what is sealed opens": {
			func(_ *World, _, now *state) { now.sealedUnder[theGrant] = 2 },
			func(_ *World, _, now *state) { now.keys = nil },
			func(_ *World, _, now *state) { now.sealedUnder[theGrant], now.keys[0].Sealing = 1, nil },
			grant(func(g *access.Grant) { g.MarkGeneration = 2 }),
		},
		"what is live stays": {
			func(_ *World, _, now *state) { clear(now.accounts) },
			shared(func(_ *World, _, now *state) { delete(now.members, right{enginetest.Alice, "orders:write"}) }),
		},
		"what an ended grant shared is gone or kept by something": {stays(""), stays("gr_2"), stays(string(theGrant)), stays(access.KeptByStanding)},
		"what others have at the target stays as it is": {
			func(_ *World, _, now *state) { clear(now.others) },
			func(_ *World, _, now *state) { alter(now.others, "guest", func(a *memory.Account) { a.Mark = "ours" }) },
			func(_ *World, _, now *state) { now.others["nobody's"] = memory.Account{} },
			shared(func(_ *World, _, now *state) { delete(now.members, bobReads) }),
			shared(func(_ *World, _, now *state) { now.members[bobReads] = "ours" }),
		},
		"what somebody removed at the target is not made again": {
			func(w *World, _, _ *state) { w.owner.final[theGrant] = true },
			grant(func(g *access.Grant) { g.EndReason = access.EndRemovedAtTarget }),
			shared(grant(func(g *access.Grant) { g.EndReason = access.EndRemovedAtTarget })),
		},
		"access goes to the account of who asked": {
			shared(grant(func(g *access.Grant) { g.Account = enginetest.Bob })),
			shared(grant(func(g *access.Grant) { g.Principal = id(enginetest.AliceAgent) })),
		},
		"what is found to be too much is no live grant's": {finds(access.FindingOrphan), finds(access.FindingAfterEnd)},
		"ended is gone, read back, and final": {
			ended(func(_ *World, _, now *state) { now.accounts[theGrant] = memory.Account{} }),
			ended(func(w *World, _, _ *state) {
				w.arrives(connector.CallGrant, connector.Order{Grant: theGrant, ActBy: time.Now()})
			}),
			ended(func(w *World, _, _ *state) { w.opened = append(w.opened, session{w.openSession(), theGrant}) }),
			ended(grant(func(g *access.Grant) { g.VerifiedBy = "" })),
			ended(grant(func(g *access.Grant) { g.VerifiedAt = time.Time{} })),
			ended(func(_ *World, before, now *state) {
				before.grants[theGrant] = now.grants[theGrant]
				alter(now.grants, theGrant, func(g *access.Grant) { g.EndReason = access.EndReturned })
			}),
		},
	}
}

// openSession logs somebody in behind Curfew's back.
func (w *World) openSession() *memory.Session {
	if err := w.target.AddAccount(memory.Account{Name: "x", Resource: "orders", Permission: "write"}, "x"); err != nil {
		panic(err)
	}
	s, err := w.target.Login("x", "x")
	if err != nil {
		panic(err)
	}
	return s
}

// Every promise can be broken, is kept in a world without fault, and is broken by what breaks it.
func TestPromisesCanBeBroken(t *testing.T) {
	setup, err := NewSetup()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		fresh := func() *World {
			return newWorld(setup, replayed(nil), func(c *clock) store.Store { return memstore.New(c) })
		}
		for _, p := range promises() {
			for _, sharing := range []bool{false, true} {
				w := fresh()
				before, now := kept(w)
				if sharing {
					share(w, &now)
				}
				if wrong := p.holds(w, &before, &now); wrong != "" {
					t.Errorf("%q is broken by a grant that was made active (sharing: %t): %s", p.name, sharing, wrong)
				}
				end(&before, &now)
				if wrong := p.holds(w, &before, &now); wrong != "" {
					t.Errorf("%q is broken by a grant that has ended (sharing: %t): %s", p.name, sharing, wrong)
				}
			}
			ways := append(breaches()[p.name], breachesOfPeople()[p.name]...)
			if len(ways) == 0 {
				t.Errorf("nothing breaks %q", p.name)
			}
			for i, breach := range ways {
				w := fresh()
				before, now := kept(w)
				breach(w, &before, &now)
				if p.holds(w, &before, &now) == "" {
					t.Errorf("%q is not broken by breach %d", p.name, i)
				}
			}
		}
	})
}
