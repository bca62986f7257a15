package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// Opinion is what a reviewer says of a request.
type Opinion struct {
	Verdict access.Verdict
	// Cap shortens the grant; zero means no cap.
	Cap     time.Duration
	Comment string
	// Second is the reviewer's confirmation with a passkey; nil is none.
	Second *SecondFactor
}

func (o Opinion) validate() error {
	switch {
	case o.Verdict != access.Approve && o.Verdict != access.Deny:
		return access.Errorf(access.KindInvalid, "A review says approve or deny.")
	case o.Cap < 0 || (o.Cap > 0 && o.Cap < access.MinDuration):
		return access.Errorf(access.KindInvalid, "A cap is at least 1s, as in --cap 30m.")
	case len(o.Comment) > access.MaxReason || !text(o.Comment):
		return access.Errorf(access.KindInvalid, "A comment is UTF-8 text of at most %d bytes without NUL characters.", access.MaxReason)
	}
	return nil
}

// errMoved means that a review came in between; the same is tried again on what is there now.
var errMoved = errors.New("a review came in between")

// maxReviewTries bounds how often a review gives way to others that are committed at the same moment. Each try that
// gives way saw another one win.
const maxReviewTries = 256

// Review counts one person's verdict. The request is decided again first, so that a review never passes what the
// policies no longer allow. A review of a request that is settled already is access.KindConflict and changes nothing.
func (e *Engine) Review(ctx context.Context, actor access.Principal, id access.RequestID, o Opinion) (access.Request, error) {
	if err := o.validate(); err != nil {
		return access.Request{}, err
	}
	if planted.Active(planted.AccountsForPersons) {
		actor.Person = access.PersonID(actor.ID.String())
	}
	// Who may not see the request does not learn that there is one.
	v, err := e.Request(ctx, actor, id)
	if err != nil {
		return access.Request{}, err
	}
	now, err := e.decideAgain(ctx, v.Request)
	if err != nil {
		return access.Request{}, err
	}
	by, err := e.reviewer(ctx, actor)
	if err != nil {
		return access.Request{}, err
	}
	w := weighing{ruling: now, before: v.Decision, actor: by, opinion: o}
	reviews := v.Reviews
	for range maxReviewTries {
		if w.reviewed, err = e.withReviewers(ctx, reviews); err != nil {
			return access.Request{}, err
		}
		r, err := e.review(ctx, id, w)
		if !errors.Is(err, errMoved) {
			return r, err
		}
		if reviews, err = e.reviews(ctx, id); err != nil {
			return access.Request{}, err
		}
	}
	return access.Request{}, access.Errorf(access.KindExhausted, "Too many people review request %s at this moment; try again.", id)
}

// weighing is a review on its way: the opinion, and what is decided now.
type weighing struct {
	ruling
	// before is the decision that the reviewer could see.
	before   policy.Decision
	actor    reviewer
	opinion  Opinion
	reviewed []policy.Reviewed
}

// stages are those of the request, as it was decided and as it is decided now.
func (w weighing) stages() []policy.OpenStage { return slices.Concat(w.before.Stages, w.d.Stages) }

// stands reports whether the actor stands in a stage of the request; in its fallback, once that has begun.
func (w weighing) stands(r access.Request, open []policy.OpenStage) bool {
	return w.actor.fitsAny(w.stages(), partiesOf(r)) || w.actor.fitsAny(open, partiesOf(r))
}

// seat is that of somebody absent which the actor takes with this review: in a stage that is open, or, who denies before
// their turn, in another.
func (w weighing) seat(r access.Request, open []policy.OpenStage) (seat, bool) {
	actor := w.freeFirst(r)
	one, ok := actor.seatIn(open, partiesOf(r))
	if !ok && !actor.fitsAny(open, partiesOf(r)) {
		return actor.seatIn(w.stages(), partiesOf(r))
	}
	return one, ok
}

// freeFirst is the actor with those seats last of which somebody has made use already: in them an approval would count for
// nothing, while somebody else whom the actor stands for is missed.
func (w weighing) freeFirst(r access.Request) reviewer {
	given := counting(r.Hash, w.d, w.reviewed)
	taken := func(one seat) bool {
		return slices.ContainsFunc(given, func(v policy.Reviewed) bool {
			persons := []access.PersonID{v.Reviewer.Person, v.Review.Person, v.Absent.Person}
			return v.Review.Verdict == access.Approve && slices.Contains(persons, one.absent.Person)
		})
	}
	actor := w.actor
	free := slices.DeleteFunc(slices.Clone(actor.seats), taken)
	actor.seats = append(free, slices.DeleteFunc(slices.Clone(actor.seats), func(one seat) bool { return !taken(one) })...)
	return actor
}

// progress is where the reviews that count stand.
func (w weighing) progress(r access.Request, now time.Time) policy.Progress {
	return w.tally(r, w.reviewed, now)
}

// decideAgain decides a request with what is true now.
func (e *Engine) decideAgain(ctx context.Context, r access.Request) (ruling, error) {
	rules := e.rules.Load()
	parties := policy.Parties{}
	for _, one := range []struct {
		id  access.PrincipalID
		p   *access.Principal
		why string
	}{
		{r.Principal, &parties.Requester, "The requester is not in the directory any more."},
		{r.AskedBy, &parties.AskedBy, "Who asked for it is not in the directory any more."},
	} {
		if one.id.IsZero() {
			continue
		}
		p, err := rules.Directory.Principal(ctx, one.id)
		if is(err, access.KindNotFound) {
			return ruling{d: policy.Decision{Verdict: policy.VerdictDenied, Why: one.why}, rules: rules}, nil
		}
		if err != nil {
			return ruling{}, err
		}
		*one.p = p
	}
	return e.decide(ctx, rules, parties, r)
}

// review returns the request as the review leaves it.
func (e *Engine) review(ctx context.Context, id access.RequestID, w weighing) (access.Request, error) {
	var left access.Request
	err := e.update(ctx, txReview, func(c *change) error {
		w := w // fn may run again
		r, err := c.Requests().Get(e.cfg.Tenant, id)
		if err != nil {
			return err
		}
		if err := c.mayReview(r, w); err != nil {
			return err
		}
		stored, err := c.Reviews().List(e.cfg.Tenant, id)
		if err != nil {
			return err
		}
		if len(stored) != len(w.reviewed) {
			return errMoved
		}
		rv := access.Review{
			ID: access.ReviewID(e.cfg.IDs.New(access.ReviewPrefix)), Tenant: e.cfg.Tenant, Request: id, Reviewer: w.actor.ID,
			Person: w.actor.Person, Verdict: w.opinion.Verdict, Cap: w.opinion.Cap, Comment: w.opinion.Comment,
			Hash: access.HashReview(r.Hash, w.d.Digests), At: c.Now(),
		}
		reviewed := policy.Reviewed{Reviewer: w.actor.Principal, MFA: w.opinion.Second != nil}
		open := w.progress(r, c.Now()).Open
		if one, ok := w.seat(r, open); ok {
			if err := c.takeSeat(&rv, one, c.Now()); err != nil {
				return err
			}
			reviewed.Absent, reviewed.Delegation = one.absent, one.delegation
		}
		reviewed.Review = rv
		if err := c.keepReview(r, rv, w); err != nil {
			return err
		}
		w.reviewed = append(slices.Clone(w.reviewed), reviewed)
		if err := c.conclude(&r, w); err != nil {
			return err
		}
		left = r
		return nil
	})
	if err != nil {
		return access.Request{}, err
	}
	return left, nil
}

// keepReview writes a review, and the decision that it is about if that is another than the one before.
func (c *change) keepReview(r access.Request, rv access.Review, w weighing) error {
	if err := errors.Join(c.refuseStale(w.ruling), c.refuseChanged(w.actor.Principal)); err != nil {
		return err
	}
	if err := c.Reviews().Insert(rv); err != nil {
		return err
	}
	confirmed, err := c.confirmReview(rv, w.opinion.Second)
	if err != nil {
		return err
	}
	if !slices.Equal(w.d.Digests, w.before.Digests) {
		if err := c.keepDecision(r.ID, w.ruling); err != nil {
			return err
		}
	}
	return c.record(access.Event{
		Kind: access.EventRequestReviewed, Actor: rv.Reviewer, Subject: r.Principal, Person: r.Person, ActsFor: r.ActsFor, Request: r.ID,
		Detail:   merged(confirmed, map[string]string{"verdict": string(rv.Verdict), "cap": durationOrNone(rv.Cap), "delegation": string(rv.Delegation)}),
		Personal: map[string]string{"comment": rv.Comment, "in_stead_of": rv.InSteadOf.String()},
	})
}

// conclude settles the request if one of those who were asked denies it, or if the reviews suffice. A denial always
// counts, also when the policies have come to ask nobody meanwhile.
func (c *change) conclude(r *access.Request, w weighing) error {
	if w.opinion.Verdict == access.Deny {
		return c.settleRequest(r, access.RequestDenied, access.Event{Actor: w.actor.ID, Detail: map[string]string{"why": "A reviewer denied it."}})
	}
	if p := w.progress(*r, c.Now()); p.Approved {
		if err := c.refuseFrozen(r.Person, r.Entitlements...); err != nil {
			return err
		}
		return c.approve(r, w.d, p.Cap, w.actor.ID)
	}
	return nil
}

// parties are whose request it is and who asked, as they are now.
func (v ruling) parties() policy.Parties {
	return policy.Parties{Requester: v.in.Principal, AskedBy: v.in.AskedBy}
}

// tally counts the reviews that are about what was decided.
func (v ruling) tally(r access.Request, reviewed []policy.Reviewed, now time.Time) policy.Progress {
	return policy.Tally(v.toTally(r, reviewed, now))
}

func (v ruling) toTally(r access.Request, reviewed []policy.Reviewed, now time.Time) policy.Case {
	return policy.Case{
		Decision: v.d, Parties: v.parties(), AskedAt: r.CreatedAt, Reviews: counting(r.Hash, v.d, reviewed), Now: now,
	}
}

// needsNobody reports whether what was decided needs no review.
func (v ruling) needsNobody() bool {
	return policy.Tally(policy.Case{Decision: v.d, Parties: v.parties()}).Approved
}

// counting leaves out reviews of something other than what is now decided.
func counting(request []byte, d policy.Decision, reviewed []policy.Reviewed) []policy.Reviewed {
	want := access.HashReview(request, d.Digests)
	return slices.DeleteFunc(slices.Clone(reviewed), func(r policy.Reviewed) bool { return !bytes.Equal(r.Review.Hash, want) })
}

// mayReview says whether the actor's review would count now, and if not, why in a sentence.
func (c *change) mayReview(r access.Request, w weighing) error {
	p := w.progress(r, c.Now())
	switch {
	case r.State.Settled():
		return access.Errorf(access.KindConflict, "Request %s is already %s; a further review changes nothing.", r.ID, r.State)
	case !c.Now().Before(r.LapsesAt):
		return access.Errorf(access.KindConflict, "Request %s has waited too long and lapses; it must be asked anew.", r.ID)
	case w.actor.Person == r.Person || w.actor.ID == r.Principal:
		return access.Errorf(access.KindDenied, "Nobody reviews their own request, under any of their accounts.")
	case askedFor(w.actor.Principal, r) || (r.AskedByPerson != "" && w.actor.Person == r.AskedByPerson):
		return access.Errorf(access.KindDenied, "Nobody reviews what they asked for, be it in another's name.")
	case !w.stands(r, p.Open):
		if w.actor.fitsAny(withFallbacks(w.stages()), partiesOf(r)) {
			return notYourTurn(r)
		}
		return access.Errorf(access.KindDenied, "You are not among those who may review request %s.", r.ID)
	case w.opinion.Verdict == access.Deny:
		return nil
	case w.d.Verdict == policy.VerdictDenied:
		return access.Errorf(access.KindConflict, "The policies no longer allow request %s: %s", r.ID, w.d.Why)
	}
	if why := widened(w.d, w.before); why != "" {
		return access.Errorf(access.KindConflict, "Request %s is not what you were shown. %s", r.ID, why)
	}
	if err := c.refuseFrozen(w.actor.Person); err != nil {
		return err
	}
	if !p.Approved && !w.actor.fitsAny(p.Open, partiesOf(r)) {
		return notYourTurn(r)
	}
	if w.opinion.Second == nil && w.actor.confirms(p.Open, partiesOf(r)) {
		return access.Errorf(access.KindUnconfirmed, "A review of request %s must be confirmed with a passkey: use curfew approve, or a browser.", r.ID)
	}
	return nil
}

func notYourTurn(r access.Request) error {
	return access.Errorf(access.KindDenied, "It is not your turn to review request %s; `curfew requests %[1]s` shows whose it is.", r.ID)
}

// reviewed reads a request's reviews with their reviewers as the directory knows them now. The review of someone who
// is gone no longer counts.
func (e *Engine) reviewed(ctx context.Context, id access.RequestID) ([]policy.Reviewed, error) {
	reviews, err := e.reviews(ctx, id)
	if err != nil {
		return nil, err
	}
	return e.withReviewers(ctx, reviews)
}

// withReviewers adds the reviewers to reviews.
func (e *Engine) withReviewers(ctx context.Context, reviews []access.Review) ([]policy.Reviewed, error) {
	confirmed, err := e.confirmedReviews(ctx, reviews)
	if err != nil {
		return nil, err
	}
	out := make([]policy.Reviewed, 0, len(reviews))
	for _, rv := range reviews {
		p, err := e.directory().Principal(ctx, rv.Reviewer)
		if err != nil && !is(err, access.KindNotFound) {
			return nil, err
		}
		one := policy.Reviewed{Review: rv, Reviewer: p, MFA: confirmed[rv.ID]}
		if err := e.inStead(ctx, &one); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func durationOrNone(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Withdraw takes back a request that is still pending. Its requester may, and who asked for it in their name.
func (e *Engine) Withdraw(ctx context.Context, actor access.Principal, id access.RequestID) (access.Request, error) {
	var left access.Request
	err := e.update(ctx, txWithdraw, func(c *change) error {
		r, err := c.Requests().Get(e.cfg.Tenant, id)
		if err != nil {
			return e.unseen(actor, err, "request", string(id))
		}
		if r.Principal != actor.ID && r.AskedBy != actor.ID {
			return access.Errorf(access.KindNotFound, "You have no request %s.", id)
		}
		if err := c.settleRequest(&r, access.RequestWithdrawn, access.Event{Actor: actor.ID}); err != nil {
			return err
		}
		left = r
		return nil
	})
	if err != nil {
		return access.Request{}, err
	}
	return left, nil
}

// Lapse ends the waiting of requests whose reviews did not come in time, and returns when the next one lapses (zero:
// none waits).
func (e *Engine) Lapse(ctx context.Context) (time.Time, error) {
	now, next, err := e.nextLapse(ctx)
	if err != nil || next.IsZero() || next.After(now) {
		return next, err
	}
	err = e.update(ctx, txLapse, func(c *change) error {
		due, err := c.Requests().Lapsing(e.cfg.Tenant, c.Now(), lapseLimit)
		if err != nil {
			return err
		}
		for _, r := range due {
			if err := c.settleRequest(&r, access.RequestLapsed, access.Event{Detail: map[string]string{"why": "Nobody decided it in time."}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	_, next, err = e.nextLapse(ctx)
	return next, err
}

func (e *Engine) nextLapse(ctx context.Context) (now, next time.Time, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		next, err = tx.Requests().NextLapse(e.cfg.Tenant)
		return err
	})
	return now, next, err
}
