package api

import (
	"context"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// RequestBody is what somebody asks for. The engine checks its bounds.
type RequestBody struct {
	Entitlements []string          `json:"entitlements" nullable:"false" doc:"Entitlements as in orders-db/orders:read, 50 at most; or one bundle as in bundle:incident" example:"[\"orders-db/orders:read\"]"`
	Duration     string            `json:"duration,omitempty" doc:"As in 1h30m; without it the shorter of one hour and the longest that is allowed" example:"30m"`
	Start        time.Time         `json:"start,omitzero" doc:"When access shall begin, 90 days ahead at most; without it as soon as it is approved"`
	Reason       string            `json:"reason,omitempty" doc:"4096 bytes at most"`
	Ticket       string            `json:"ticket,omitempty" doc:"128 bytes at most"`
	Params       map[string]string `json:"params,omitempty" doc:"32 at most"`
	OnBehalfOf   string            `json:"on_behalf_of,omitempty" doc:"In whose name it is asked, where a policy allows that: ISSUER/SUBJECT, or the bare id of one whom the configuration lists. It is decided as theirs, only they may open the credential, and no recipient may come with it" example:"alice"`
	Recipient    []byte            `json:"recipient,omitempty" doc:"An HPKE public key (RFC 9180, DHKEM P-256) to seal credentials to; it may also come with the first fetch"`
}

type submitRequestInput struct {
	WaitQuery
	Body RequestBody
}

func (s *surface) submitRequest(ctx context.Context, in *submitRequestInput) (*requestOutput, error) {
	wait, err := in.wait()
	if err != nil {
		return nil, err
	}
	submission, err := in.Body.submission()
	if err != nil {
		return nil, err
	}
	r, err := s.Engine.Submit(ctx, actorOf(ctx), submission)
	if err != nil {
		return nil, err
	}
	return s.done(ctx, r, wait), nil
}

// bundlePrefix begins the name of a bundle where an entitlement could stand.
const bundlePrefix = "bundle:"

func (b RequestBody) submission() (engine.Submission, error) {
	d, err := parseDuration("duration", b.Duration)
	if err != nil {
		return engine.Submission{}, err
	}
	out := engine.Submission{Duration: d, Start: b.Start, Reason: b.Reason, Ticket: b.Ticket, Params: b.Params, Recipient: b.Recipient}
	if b.OnBehalfOf != "" {
		if out.OnBehalfOf, err = parsePrincipal("on_behalf_of", b.OnBehalfOf); err != nil {
			return engine.Submission{}, err
		}
	}
	if len(b.Entitlements) == 1 {
		if name, ok := strings.CutPrefix(b.Entitlements[0], bundlePrefix); ok {
			if name == "" {
				return engine.Submission{}, access.Errorf(access.KindInvalid, "After bundle: comes the name of a bundle.")
			}
			out.Bundle = name
			return out, nil
		}
	}
	for _, text := range b.Entitlements {
		if strings.HasPrefix(text, bundlePrefix) {
			return engine.Submission{}, access.Errorf(access.KindInvalid, "A bundle is asked for alone, without other entitlements.")
		}
		e, err := access.ParseEntitlement(text)
		if err != nil {
			return engine.Submission{}, access.Errorf(access.KindInvalid, "%s.", err)
		}
		out.Entitlements = append(out.Entitlements, e)
	}
	return out, nil
}
