package telemetry

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// sighting is what was written in a transaction and concerns a metric. It counts only once that is committed.
type sighting struct {
	// submitted is the request that came in with this transaction, as it was last written.
	submitted access.Request
	settled   []access.RequestState
	// grants are as they were last written; activated and ended name those of them that became so here.
	grants           map[access.GrantID]access.Grant
	activated, ended []change
}

// change is when something became of a grant.
type change struct {
	grant access.GrantID
	at    time.Time
}

// committed counts what a transaction wrote.
func (t *Telemetry) committed(span trace.Span, s *sighting) {
	if s.submitted.ID != "" {
		t.metrics.decisions.WithLabelValues(string(verdictOf(s.submitted.State))).Inc()
	}
	for _, state := range s.settled {
		t.metrics.settled.WithLabelValues(string(state)).Inc()
	}
	for _, c := range s.activated {
		g := s.grants[c.grant]
		t.metrics.activation.WithLabelValues(string(g.Entitlement.Connector)).Observe(seconds(c.at.Sub(g.StartAt)))
	}
	for _, c := range s.ended {
		t.grantEnded(s.grants[c.grant])
	}
	if span.IsRecording() && len(s.grants) > 0 {
		ids := make([]string, 0, len(s.grants))
		for id := range s.grants {
			ids = append(ids, string(id))
		}
		span.SetAttributes(attribute.StringSlice("curfew.grants", ids))
	}
}

// verdictOf reads from the state in which a submission left a request what the policies said.
func verdictOf(s access.RequestState) policy.Verdict {
	switch s {
	case access.RequestApproved:
		return policy.VerdictAuto
	case access.RequestPending:
		return policy.VerdictReview
	default:
		return policy.VerdictDenied
	}
}

func (t *Telemetry) grantEnded(g access.Grant) {
	connector := string(g.Entitlement.Connector)
	t.metrics.ended.WithLabelValues(connector, string(g.EndReason)).Inc()
	// What was given back early has no lateness, unless taking it back went on until after the deadline.
	if !g.Deadline.IsZero() && !g.VerifiedAt.Before(g.Deadline) {
		t.metrics.lateness.WithLabelValues(connector).Observe(seconds(g.VerifiedAt.Sub(g.Deadline)))
	}
}

// watchedTx keeps what is written through it.
type watchedTx struct {
	store.Tx
	seen *sighting
}

func (w *watchedTx) Requests() store.Requests { return watchedRequests{w.Tx.Requests(), w.seen} }
func (w *watchedTx) Grants() store.Grants     { return watchedGrants{w.Tx.Grants(), w.seen} }
func (w *watchedTx) Events() store.Events     { return watchedEvents{w.Tx.Events(), w.seen} }

type watchedRequests struct {
	store.Requests
	seen *sighting
}

func (r watchedRequests) Insert(request access.Request) error {
	err := r.Requests.Insert(request)
	if err == nil {
		r.seen.submitted = request
	}
	return err
}

func (r watchedRequests) Update(request access.Request) error {
	err := r.Requests.Update(request)
	if err != nil {
		return err
	}
	if r.seen.submitted.ID == request.ID {
		r.seen.submitted = request
	}
	if request.State.Settled() {
		r.seen.settled = append(r.seen.settled, request.State)
	}
	return nil
}

type watchedGrants struct {
	store.Grants
	seen *sighting
}

func (g watchedGrants) Update(grant access.Grant) error {
	err := g.Grants.Update(grant)
	if err == nil {
		if g.seen.grants == nil {
			g.seen.grants = map[access.GrantID]access.Grant{}
		}
		g.seen.grants[grant.ID] = grant
	}
	return err
}

type watchedEvents struct {
	store.Events
	seen *sighting
}

// Append tells a change of state from a mere change: only the former has an event of that kind.
func (e watchedEvents) Append(row store.EventRow) error {
	err := e.Events.Append(row)
	if err != nil {
		return err
	}
	switch c := (change{grant: row.Grant, at: row.At}); row.Kind {
	case access.EventGrantActive:
		e.seen.activated = append(e.seen.activated, c)
	case access.EventGrantEnded:
		e.seen.ended = append(e.seen.ended, c)
	default:
	}
	return nil
}
