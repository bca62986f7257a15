package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// session is an open log-in at the target under a grant.
type session struct {
	*memory.Session
	grant access.GrantID
}

// call has somebody ask a node for something. What they are told is noted, and held against the books later.
func (w *World) call(n *node, who, what string, do func(context.Context, *engine.Engine) error) {
	e := n.engine
	name := fmt.Sprintf("%s %s #%d", n.name, who, w.sched.started+1)
	w.trace.add(name, "%s", what)
	w.sched.start(name, n, func(ctx context.Context) {
		err := do(ctx, e)
		t := taskOf(ctx)
		switch {
		case err == nil:
			w.trace.add(name, "done: %s", what)
		case access.KindOf(err) == access.KindInternal:
			w.breaks("no error is unforeseen", "%s: %v", what, err)
		default:
			w.trace.add(name, "%s: %s", access.KindOf(err), err)
		}
		w.leftBehind(t)
	})
}

// step has a node do what is due in one of the queues, a grant or several at a time as the engine's own workers do.
func (w *World) step(n *node, queue store.Queue) {
	limit := one(w.choose, []int{1, 16})
	w.call(n, string(queue), "looks for work", func(ctx context.Context, e *engine.Engine) error {
		now, err := (&books{Store: w.books, world: w}).Now(ctx)
		if err != nil {
			return err
		}
		p, err := e.Step(ctx, now, store.Lane{Tenant: access.DefaultTenant, Connector: connectorName, Queue: queue}, limit)
		if err == nil && p.Claimed > 0 {
			w.reached["step"]++
		}
		return err
	})
}

// compare has a node compare the target with the books.
func (w *World) compare(n *node) {
	missing, changes := w.missing(&w.seen), w.owner.changes
	blinded := w.reached["weather: the observer is blind"] // who does not see says nothing, and nothing follows from it
	w.call(n, "reconcile", "compares the target with the books", func(ctx context.Context, e *engine.Engine) error {
		t := taskOf(ctx)
		c, err := e.Reconcile(ctx, store.Lane{Tenant: access.DefaultTenant, Connector: connectorName})
		w.compared = err == nil && c.Unread == 0
		if w.compared && t.troubles == 0 && !t.refused && w.owner.changes == changes &&
			w.reached["weather: the observer is blind"] == blinded {
			w.checkCompared(missing)
		}
		return err
	})
}

func (w *World) lapse(n *node) {
	w.call(n, "lapse", "lets requests lapse", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Lapse(ctx)
		return err
	})
}

func (w *World) sequence(n *node) {
	w.call(n, "sequence", "numbers entries", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Sequence(ctx, n.name)
		return err
	})
}

func (w *World) integrate(n *node) {
	w.call(n, "integrate", "adds entries to the tree", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Integrate(ctx)
		return err
	})
}

func (w *World) submit(n *node) {
	s := engine.Submission{Reason: "order 17", Duration: one(w.choose, []time.Duration{time.Minute, 8 * time.Second, 20 * time.Second, 0})}
	switch w.choose.among(5, 2, 1, 1, 2) {
	case 0:
		s.Entitlements = []access.Entitlement{enginetest.Entitlement(enginetest.Read)}
	case 1:
		s.Entitlements = []access.Entitlement{enginetest.Entitlement(enginetest.Write)}
	case 2:
		s.Entitlements = []access.Entitlement{enginetest.Entitlement(enginetest.Drop)}
	case 3:
		s.Entitlements = []access.Entitlement{enginetest.Entitlement(enginetest.Read), enginetest.Entitlement(enginetest.Drop)}
	default:
		s.Bundle = "incident"
	}
	if w.choose.chance(30) {
		s.Recipient = w.setup.keys[0].Public()
	}
	if w.choose.chance(10) {
		s.Start = w.storeClock.Now().Add(w.choose.span(100, time.Minute))
	}
	who := requesters()[w.choose.among(6, 3, 1, 4)]
	if w.choose.chance(w.habits.behalf) {
		who = w.ask(&s)
	}
	what := fmt.Sprintf("asks for %v %s for %s, in the name of %q", s.Entitlements, s.Bundle, s.Duration, s.OnBehalfOf)
	w.call(n, who, what, func(ctx context.Context, e *engine.Engine) error {
		r, err := e.Submit(ctx, w.people.who(who), s)
		if err == nil {
			w.accepted = append(w.accepted, r.ID)
			w.askers[r.ID] = id(who)
		}
		return err
	})
}

// ask makes a submission one in another's name, and returns whose it is then. Policies let leads and agents ask to write.
func (w *World) ask(s *engine.Submission) (who string) {
	s.Bundle, s.Recipient, s.Entitlements = "", nil, []access.Entitlement{enginetest.Entitlement(enginetest.Write)}
	who = one(w.choose, []string{enginetest.Bob, enginetest.AliceAgent, grace, enginetest.AliceAdmin, enginetest.Mallory})
	s.OnBehalfOf = id(one(w.choose, []string{enginetest.Alice, frank}))
	return who
}

func (w *World) review(n *node) {
	r, ok := pickOf(w.choose, w.seen.requests, isPending)
	if !ok {
		w.submit(n)
		return
	}
	o := engine.Opinion{Verdict: access.Approve}
	if w.choose.chance(10) {
		o.Verdict = access.Deny
	}
	if w.choose.chance(10) {
		o.Cap = 10 * time.Second
	}
	who := one(w.choose, reviewers())
	if d, ok := pickOf(w.choose, w.seen.delegations, w.stands); ok && w.choose.chance(50) {
		who = d.Delegate.Subject
	}
	w.call(n, who, fmt.Sprintf("says %s to %s", o.Verdict, r.ID), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Review(ctx, w.people.who(who), r.ID, o)
		return err
	})
}

func (w *World) withdraw(n *node) {
	r, ok := pickOf(w.choose, w.seen.requests, isPending)
	if !ok {
		return
	}
	who := r.Principal.Subject
	if !r.AskedBy.IsZero() && w.choose.chance(50) {
		who = r.AskedBy.Subject
	}
	w.call(n, who, fmt.Sprintf("withdraws %s", r.ID), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Withdraw(ctx, w.people.who(who), r.ID)
		return err
	})
}

// giveBack returns a grant, or has the administrator revoke it.
func (w *World) giveBack(n *node) {
	g, ok := pickOf(w.choose, w.seen.grants, isUnended)
	if !ok {
		w.submit(n)
		return
	}
	if w.choose.chance(30) {
		w.call(n, enginetest.Carol, fmt.Sprintf("revokes %s", g.ID), func(ctx context.Context, e *engine.Engine) error {
			_, err := e.Revoke(ctx, w.people.who(enginetest.Carol), g.ID, "laptop stolen")
			return err
		})
		return
	}
	w.call(n, g.Principal.Subject, fmt.Sprintf("returns %s", g.ID), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Return(ctx, w.people.who(g.Principal.Subject), g.ID)
		return err
	})
}

// extend asks for more time.
func (w *World) extend(n *node) {
	g, ok := pickOf(w.choose, w.seen.grants, isActive)
	if !ok {
		return
	}
	by := one(w.choose, []time.Duration{20 * time.Second, time.Minute, 5 * time.Hour})
	w.call(n, g.Principal.Subject, fmt.Sprintf("extends %s by %s", g.ID, by), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Extend(ctx, w.people.who(g.Principal.Subject), g.ID, by)
		return err
	})
}

// fetch gets a credential with one of two keys, and logs in with it.
func (w *World) fetch(n *node) {
	g, ok := pickOf(w.choose, w.seen.grants, isActive)
	if !ok {
		w.step(n, store.QueueLive)
		return
	}
	key := one(w.choose, w.setup.keys)
	who := w.people.who(g.Principal.Subject)
	w.call(n, who.ID.Subject, fmt.Sprintf("fetches the credential of %s", g.ID), func(ctx context.Context, e *engine.Engine) error {
		sealed, err := e.Credential(ctx, who, g.ID, key.Public())
		if err != nil {
			return err
		}
		return w.logIn(taskOf(ctx), g, sealed, key)
	})
}

func (w *World) logIn(t *task, g access.Grant, sealed access.SealedCredential, key *secret.RecipientKey) error {
	plain, err := key.Open(secret.Binding{Tenant: g.Tenant, Grant: g.ID, Principal: g.Principal, Attempt: sealed.Attempt}, sealed.Ciphertext)
	if err != nil {
		w.breaks("a credential opens for its requester", "%s of %s: %v", g.ID, g.Principal, err)
		return nil
	}
	var c access.Credential
	if err := json.Unmarshal(plain, &c); err != nil {
		return err
	}
	s, err := w.target.Login(c.Username, c.Password)
	if errors.Is(err, memory.ErrRefused) {
		w.trace.add(t.name, "cannot log in") // it was taken back, or issued anew, meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	w.reached["log-in"]++
	w.opened = append(w.opened, session{s, g.ID})
	if w.choose.chance(40) {
		return s.MakeObject("table of " + string(g.ID))
	}
	return nil
}

// pickOf picks one of a table, in the order of its keys, or says that none fits.
func pickOf[K ~string, V any](c *choices, table map[K]V, fits func(V) bool) (V, bool) {
	var list []V
	for _, k := range sortedKeys(table) {
		if fits(table[k]) {
			list = append(list, table[k])
		}
	}
	if len(list) == 0 {
		var none V
		return none, false
	}
	// The latest is the plainest.
	return list[len(list)-1-c.pick(len(list))], true
}
