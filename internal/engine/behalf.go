package engine

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// parties are in whose name is asked, and by whom if that is another. Whoever may ask for nobody in that name is told the
// same of everybody, whether they exist or not, and nothing is kept of it.
func (r *Rules) parties(ctx context.Context, actor access.Principal, s Submission) (policy.Parties, error) {
	switch {
	case s.OnBehalfOf.IsZero():
		return policy.Parties{Requester: actor}, nil
	case s.OnBehalfOf == actor.ID:
		return policy.Parties{}, access.Errorf(access.KindInvalid, "This is your own name: ask without --on-behalf-of.")
	case len(s.Recipient) > 0:
		return policy.Parties{}, access.Errorf(access.KindInvalid, "A request in another's name comes without a recipient: only they may open the credential, with a key of theirs.")
	case actor.Kind == access.Agent && actor.ActsFor != s.OnBehalfOf:
		return policy.Parties{}, access.Errorf(access.KindDenied, "An agent asks in nobody's name but that of the human for whom it acts.")
	}
	beneficiary, err := r.Directory.Principal(ctx, s.OnBehalfOf)
	if err != nil && !is(err, access.KindNotFound) {
		return policy.Parties{}, err
	}
	if err != nil || !r.Policies.LetsAskFor(actor, beneficiary) {
		return policy.Parties{}, access.Errorf(access.KindDenied, "No policy lets you ask in the name of %.128q.", s.OnBehalfOf)
	}
	return policy.Parties{Requester: beneficiary, AskedBy: actor}, nil
}

// askerOf is who asked for a request.
func askerOf(r access.Request) access.PrincipalID {
	if r.AskedBy.IsZero() {
		return r.Principal
	}
	return r.AskedBy
}
