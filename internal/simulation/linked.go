package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// link has somebody prove that an account of the source is theirs too, or an administrator say it of two.
func (w *World) link(n *node) {
	by := one(w.choose, []string{grace, enginetest.Bob, enginetest.Alice, enginetest.Dave, frank, enginetest.AliceAdmin})
	proofs := w.tokensOf(func(subject string) bool { return subject != by })
	if g, ok := pickOf(w.choose, w.seen.grants, w.onTheWordOfGrace); ok && w.choose.chance(70) {
		by = g.Principal.Subject
		proofs = slices.DeleteFunc(w.tokensOf(func(subject string) bool { return subject == grace }), func(h held) bool { return w.isOver(h) != "" })
		if len(proofs) == 0 {
			w.signInAs(n, grace, false)
			return
		}
	}
	if len(proofs) == 0 || w.choose.chance(20) {
		w.call(n, enginetest.Carol, "says that frank is grace", func(ctx context.Context, e *engine.Engine) error {
			_, err := w.registrar(e).Link(ctx, w.people.who(enginetest.Carol), id(frank), id(grace), "one human")
			return err
		})
		return
	}
	proof := one(w.choose, proofs)
	w.call(n, by, fmt.Sprintf("shows that they are %s", proof.session.Principal.Subject), func(ctx context.Context, e *engine.Engine) error {
		_, err := w.registrar(e).LinkByProof(ctx, access.Caller{Principal: w.people.who(by)}, proof.token)
		return err
	})
}

// onTheWordOfGrace tells the grants that a human has whom she gave them.
func (w *World) onTheWordOfGrace(g access.Grant) bool {
	return isUnended(g) && w.people.who(g.Principal.Subject).Kind == access.Human &&
		slices.ContainsFunc(w.seen.reviews[g.Request], func(rv access.Review) bool { return rv.Reviewer == id(grace) })
}

// tokensOf are those that programs got for some people, the newest first.
func (w *World) tokensOf(them func(subject string) bool) (proofs []held) {
	for _, h := range slices.Backward(w.held) {
		if !h.browser && them(h.session.Principal.Subject) {
			proofs = append(proofs, h)
		}
	}
	return proofs
}

// tellApart has an administrator say that an account is nobody's but its own.
func (w *World) tellApart(n *node) {
	p, ok := pickOf(w.choose, w.seen.profiles, isLinked)
	if !ok {
		return
	}
	w.call(n, enginetest.Carol, fmt.Sprintf("tells %s apart", p.ID), func(ctx context.Context, e *engine.Engine) error {
		_, err := w.registrar(e).Unlink(ctx, w.people.who(enginetest.Carol), p.ID, "a mistake")
		return err
	})
}

func isLinked(p access.Profile) bool { return len(p.Formerly) > 0 }

// learnPersons keeps whose account it is of whom the source tells.
func (w *World) learnPersons(now *state) {
	for _, p := range now.profiles {
		w.people.persons[p.ID] = p.Person
	}
}

// namedAnew is the kind of entry that an account must have which has become another person's: one who was there before, or is listed
// by the configuration; else it was told apart.
func namedAnew(before *state, p access.PersonID) access.EventKind {
	for _, other := range before.profiles {
		if other.Person == p {
			return access.EventPersonLinked
		}
	}
	if !strings.HasPrefix(string(p), directory.PersonPrefix) {
		return access.EventPersonLinked
	}
	return access.EventPersonUnlinked
}
