package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// SecondFactor is a confirmation with a passkey that was verified (package passkey), on its way into the books.
type SecondFactor struct {
	access.Confirmation
	// Spend uses up what made the confirmation possible, in the transaction that keeps it. It may run more than once.
	Spend func(tx store.Tx, enter func(access.Event) error) error
}

// Confirmable is a request or a review as it would be confirmed now: what must be shown, and the hash of all of it.
type Confirmable struct {
	View RequestView
	// Requester is who asks.
	Requester access.Principal
	Hash      []byte
}

// ToConfirm says what the actor would confirm of a request of theirs, or of their agent's.
func (e *Engine) ToConfirm(ctx context.Context, actor access.Principal, id access.RequestID) (Confirmable, error) {
	v, err := e.Request(ctx, actor, id)
	if err != nil {
		return Confirmable{}, err
	}
	requester, err := e.directory().Principal(ctx, v.Request.Principal)
	if err != nil {
		return Confirmable{}, err
	}
	if err := mayConfirm(v.Request, requester, actor); err != nil {
		return Confirmable{}, err
	}
	if !slices.Contains(v.Missing, policy.RequireMFA) {
		return Confirmable{}, access.Errorf(access.KindConflict, "Request %s waits for no confirmation.", id)
	}
	return Confirmable{View: v, Requester: requester, Hash: v.Request.Hash}, nil
}

// ToConfirmReview says what a reviewer would confirm, and refuses what Review would refuse.
func (e *Engine) ToConfirmReview(ctx context.Context, actor access.Principal, id access.RequestID, o Opinion) (Confirmable, error) {
	if err := o.validate(); err != nil {
		return Confirmable{}, err
	}
	v, err := e.Request(ctx, actor, id)
	if err != nil {
		return Confirmable{}, err
	}
	now, err := e.decideAgain(ctx, v.Request)
	if err != nil {
		return Confirmable{}, err
	}
	o.Second = &SecondFactor{} // as it will be
	by, err := e.reviewer(ctx, actor)
	if err != nil {
		return Confirmable{}, err
	}
	w := weighing{ruling: now, before: v.Decision, actor: by, opinion: o}
	if w.reviewed, err = e.withReviewers(ctx, v.Reviews); err != nil {
		return Confirmable{}, err
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		return (&change{Tx: tx, engine: e}).mayReview(v.Request, w)
	})
	if err != nil {
		return Confirmable{}, err
	}
	rv := access.Review{Hash: access.HashReview(v.Request.Hash, now.d.Digests), Verdict: o.Verdict, Cap: o.Cap, Comment: o.Comment}
	return Confirmable{View: v, Requester: now.in.Principal, Hash: access.HashVerdict(rv)}, nil
}

// mayConfirm refuses everybody but the human who asks, or for whom an agent asks.
func mayConfirm(r access.Request, requester, actor access.Principal) error {
	if actor.Kind != access.Human || actor.ID != r.Principal && (requester.Kind != access.Agent || actor.ID != requester.ActsFor) {
		return access.Errorf(access.KindDenied, "Request %s is confirmed by who asks, or by the human for whom an agent asks.", r.ID)
	}
	return nil
}

// Confirm keeps a human's confirmation of a request, which is decided again with it, and approves the request if nothing
// else is missing.
func (e *Engine) Confirm(ctx context.Context, actor access.Principal, s SecondFactor) (access.Request, error) {
	shown, err := e.ToConfirm(ctx, actor, s.Request)
	if err != nil {
		return access.Request{}, err
	}
	v, err := e.decideAgain(ctx, shown.View.Request)
	if err != nil {
		return access.Request{}, err
	}
	s.At = v.in.Now
	v.in.MFA, v.in.Confirmed = true, confirmed(s.Confirmation)
	v.d = v.rules.Policies.Decide(v.in)
	w := weighing{ruling: v, before: shown.View.Decision, actor: reviewer{Principal: actor}}
	reviews := shown.View.Reviews
	for range maxReviewTries {
		if w.reviewed, err = e.withReviewers(ctx, reviews); err != nil {
			return access.Request{}, err
		}
		r, err := e.confirm(ctx, s, w)
		if !errors.Is(err, errMoved) {
			return r, err
		}
		if reviews, err = e.reviews(ctx, s.Request); err != nil {
			return access.Request{}, err
		}
	}
	return access.Request{}, access.Errorf(access.KindExhausted, "Too many people review request %s at this moment; try again.", s.Request)
}

// confirm returns the request as the confirmation leaves it.
func (e *Engine) confirm(ctx context.Context, s SecondFactor, w weighing) (left access.Request, err error) {
	err = e.update(ctx, txConfirm, func(c *change) error {
		r, err := c.Requests().Get(e.cfg.Tenant, s.Request)
		if err != nil {
			return err
		}
		if err := c.mayBeConfirmed(r, s, w); err != nil {
			return err
		}
		stored, err := c.Reviews().List(e.cfg.Tenant, r.ID)
		if err != nil {
			return err
		}
		if len(stored) != len(w.reviewed) {
			return errMoved
		}
		detail, err := c.keepConfirmation(s)
		if err != nil {
			return err
		}
		if err := c.keepDecision(r.ID, w.ruling); err != nil {
			return err
		}
		err = c.record(access.Event{
			Kind: access.EventRequestConfirmed, Actor: w.actor.ID, Subject: r.Principal, Person: r.Person, Request: r.ID, Detail: detail,
		})
		if err != nil {
			return err
		}
		err = c.conclude(&r, w)
		left = r
		return err
	})
	return left, err
}

// mayBeConfirmed says whether the request is still the one that was confirmed.
func (c *change) mayBeConfirmed(r access.Request, s SecondFactor, w weighing) error {
	switch {
	case r.State.Settled():
		return access.Errorf(access.KindConflict, "Request %s is already %s; a confirmation changes nothing.", r.ID, r.State)
	case !c.Now().Before(r.LapsesAt):
		return access.Errorf(access.KindConflict, "Request %s has waited too long and lapses; it must be asked anew.", r.ID)
	case s.Principal != w.actor.ID || !bytes.Equal(s.Hash, r.Hash):
		return access.Errorf(access.KindDenied, "This confirmation is not of request %s as it is.", r.ID)
	case w.d.Verdict == policy.VerdictDenied:
		return access.Errorf(access.KindConflict, "The policies no longer allow request %s: %s", r.ID, w.d.Why)
	}
	// What is kept with the confirmation is what an activation is held against: reviewers may have agreed to less.
	if why := widened(w.d, w.before); why != "" && len(w.d.Stages) > 0 {
		return access.Errorf(access.KindConflict, "Request %s is not what reviewers were shown. %s", r.ID, why)
	}
	return c.refuseChanged(w.actor.Principal)
}

// confirmReview keeps the reviewer's confirmation, if there is one, and returns what the log says of it. It must be of this
// review and no other.
func (c *change) confirmReview(rv access.Review, s *SecondFactor) (map[string]string, error) {
	if s == nil {
		return nil, nil
	}
	if s.Request != rv.Request || s.Principal != rv.Reviewer || !bytes.Equal(s.Hash, access.HashVerdict(rv)) {
		return nil, access.Errorf(access.KindConflict, "This confirmation is not of that review of request %s; review it again.", rv.Request)
	}
	of := *s
	of.Review, of.At = rv.ID, rv.At
	return c.keepConfirmation(of)
}

// keepConfirmation keeps a confirmation, uses up what made it possible, and returns what the log says of it. The digest has a
// random part, so that it says nothing to who does not have the confirmation.
func (c *change) keepConfirmation(s SecondFactor) (map[string]string, error) {
	if err := s.Spend(c.Tx, c.record); err != nil {
		return nil, err
	}
	if err := c.Confirmations().Insert(s.Confirmation); err != nil {
		return nil, err
	}
	return map[string]string{"passkey": string(s.Passkey), "digest": hex.EncodeToString(s.Challenge())}, nil
}

// addConfirmation tells a decision whether the request was confirmed. What was confirmed is the request as it is decided: one that
// would last longer was not.
func (e *Engine) addConfirmation(ctx context.Context, rules *Rules, in *policy.Input, r access.Request) error {
	needed := rules.Policies.Needs(*in).Confirmation || in.Human != nil && !in.Human.Gone && rules.Policies.Needs(in.ForHuman()).Confirmation
	if r.Hash == nil || !needed {
		return nil
	}
	kept, err := e.confirmations(ctx, r.ID)
	for _, k := range kept {
		if k.Review == "" && bytes.Equal(k.Hash, access.HashRequest(r)) {
			in.MFA, in.Confirmed = true, confirmed(k)
		}
	}
	return err
}

func confirmed(c access.Confirmation) policy.Confirmed {
	return policy.Confirmed{At: c.At, Digest: hex.EncodeToString(c.Challenge())}
}

// confirmedReviews are the reviews that were confirmed, as they are.
func (e *Engine) confirmedReviews(ctx context.Context, reviews []access.Review) (map[access.ReviewID]bool, error) {
	if len(reviews) == 0 {
		return nil, nil
	}
	kept, err := e.confirmations(ctx, reviews[0].Request)
	are := make(map[access.ReviewID]bool, len(kept))
	for _, k := range kept {
		are[k.Review] = slices.ContainsFunc(reviews, func(rv access.Review) bool {
			return rv.ID == k.Review && rv.Reviewer == k.Principal && bytes.Equal(access.HashVerdict(rv), k.Hash)
		})
	}
	return are, err
}

func (e *Engine) confirmations(ctx context.Context, id access.RequestID) (kept []access.Confirmation, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		kept, err = tx.Confirmations().List(e.cfg.Tenant, id)
		return err
	})
	return kept, err
}

// confirms reports whether a review counts in a stage where it must be confirmed.
func (rv reviewer) confirms(open []policy.OpenStage, parties policy.Parties) bool {
	return slices.ContainsFunc(open, func(s policy.OpenStage) bool { return s.MFA && rv.fitsAny([]policy.OpenStage{s}, parties) })
}

// merged is both maps in one.
func merged(a, b map[string]string) map[string]string {
	maps.Copy(b, a)
	return b
}
