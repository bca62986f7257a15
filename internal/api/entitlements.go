package api

import (
	"context"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Offer is an entitlement that the caller could ask for, and what would come of it.
type Offer struct {
	Entitlement string   `json:"entitlement"`
	Decision    string   `json:"decision" enum:"auto,review,denied"`
	MaxDuration string   `json:"max_duration,omitempty" doc:"The longest duration, as in 4h0m0s"`
	Reviewers   []string `json:"reviewers" nullable:"false" doc:"Who would have to agree"`
	Why         string   `json:"why,omitempty"`
}

// OfferList is every entitlement that was asked about; it has no further pages.
type OfferList struct {
	Items []Offer `json:"items" nullable:"false"`
	Next  string  `json:"next"`
}

const (
	// maxWords bounds the words of a search.
	maxWords = 16
	// maxOffers bounds its result.
	maxOffers = 10_000
)

type listEntitlementsInput struct {
	Words  string `query:"words" maxLength:"256" doc:"Words that must all occur in the entitlement, in any case"`
	Denied bool   `query:"denied" doc:"Show also what would be denied"`
}

type listEntitlementsOutput struct{ Body OfferList }

func (s *surface) listEntitlements(ctx context.Context, in *listEntitlementsInput) (*listEntitlementsOutput, error) {
	words := strings.Fields(in.Words)
	if len(words) > maxWords {
		return nil, access.Errorf(access.KindInvalid, "A search has at most %d words.", maxWords)
	}
	offers, err := s.Engine.Entitlements(ctx, actorOf(ctx), words, in.Denied)
	if err != nil {
		return nil, err
	}
	if len(offers) > maxOffers {
		return nil, access.Errorf(access.KindExhausted, "More than %d entitlements match; add words that they shall contain.", maxOffers)
	}
	list := OfferList{Items: make([]Offer, len(offers))}
	for i, o := range offers {
		list.Items[i] = newOffer(o)
	}
	return &listEntitlementsOutput{Body: list}, nil
}

func newOffer(o engine.Offer) Offer {
	return Offer{
		Entitlement: o.Entitlement.String(), Decision: string(o.Verdict), MaxDuration: durationText(o.MaxDuration),
		Reviewers: selectorTexts(o.Reviewers), Why: o.Why,
	}
}
