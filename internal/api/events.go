package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Event is an entry of the audit log.
type Event struct {
	Position    int64             `json:"position" doc:"Its place in the log, from 1 on without gaps"`
	ID          string            `json:"id"`
	At          time.Time         `json:"at"`
	Kind        string            `json:"kind" example:"grant.active"`
	Actor       string            `json:"actor,omitempty" doc:"Who caused it; absent when Curfew acted by itself"`
	Subject     string            `json:"subject,omitempty" doc:"Whose access it is about"`
	ActsFor     string            `json:"acts_for,omitempty" doc:"The human for whom the subject acts, which is an agent"`
	Request     string            `json:"request,omitempty"`
	Grant       string            `json:"grant,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	From        string            `json:"from,omitempty" doc:"The state before"`
	To          string            `json:"to,omitempty" doc:"The state after"`
	Detail      map[string]string `json:"detail,omitempty"`
	Personal    map[string]string `json:"personal,omitempty" doc:"Words of or about people: a reason, a comment; absent once erased"`
	Erased      []string          `json:"erased,omitempty" doc:"What the entry had and was erased since: actor, subject, acts_for, and names of personal"`
}

// EventList is a piece of the audit log.
type EventList struct {
	Items []Event `json:"items" nullable:"false"`
	Next  int64   `json:"next" doc:"What to send as after for what follows. It moves on past entries that the caller may not see, so it may do so while items is empty; the end of the log is where it stays"`
}

// EventQuery says from where on the log is read.
type EventQuery struct {
	After int64 `query:"after" minimum:"0" doc:"Begin behind this position"`
	Last  int   `query:"last" minimum:"0" maximum:"1000" doc:"Begin this many positions before the end instead"`
}

type listEventsInput struct {
	EventQuery
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many positions to look at, at most"`
	Wait  string `query:"wait" doc:"Answer when there is something to see, or after this duration, 1m0s at most"`

	Request string `query:"request" maxLength:"128" doc:"What is about this request alone"`
	Grant   string `query:"grant" maxLength:"128" doc:"What is about this grant alone"`
	Kind    string `query:"kind" maxLength:"128" example:"grant.ended" doc:"What is of this kind alone, or of each that begins so, where it ends with a dot"`
	Actor   string `query:"actor" maxLength:"512" doc:"What this principal caused"`
	Subject string `query:"subject" maxLength:"512" doc:"What is about this principal's access"`
}

type listEventsOutput struct{ Body EventList }

func (s *surface) listEvents(ctx context.Context, in *listEventsInput) (*listEventsOutput, error) {
	wait, err := parseDuration("wait", in.Wait)
	if err != nil {
		return nil, err
	}
	after, err := s.begin(ctx, in.EventQuery)
	if err != nil {
		return nil, err
	}
	q, err := in.query(after)
	if err != nil {
		return nil, err
	}
	var page engine.EventPage
	if wait == 0 {
		page, err = s.Engine.Events(ctx, actorOf(ctx), q)
	} else {
		waiting, cancel := context.WithTimeout(ctx, min(wait, MaxWait))
		defer cancel()
		page, err = s.Engine.WaitEvents(waiting, actorOf(ctx), q)
	}
	if err != nil {
		return nil, err
	}
	list := EventList{Items: make([]Event, len(page.Items)), Next: page.Next}
	for i, ev := range page.Items {
		list.Items[i] = newEvent(ev)
	}
	return &listEventsOutput{Body: list}, nil
}

// query is what the caller wants of what follows a position.
func (in listEventsInput) query(after int64) (q engine.LogQuery, err error) {
	q = engine.LogQuery{
		After: after, Limit: in.Limit, Request: access.RequestID(in.Request), Grant: access.GrantID(in.Grant),
		Kind: access.EventKind(in.Kind),
	}
	if in.Actor != "" {
		q.Actor, err = access.ParsePrincipalID(in.Actor)
	}
	if in.Subject != "" && err == nil {
		q.Subject, err = access.ParsePrincipalID(in.Subject)
	}
	if err != nil {
		return q, access.Wrap(access.KindInvalid, err, "The actor or the subject is no principal: "+err.Error()+".")
	}
	return q, nil
}

// begin is the position behind which a reader begins.
func (s *surface) begin(ctx context.Context, q EventQuery) (int64, error) {
	switch {
	case q.Last == 0:
		return q.After, nil
	case q.After != 0:
		return 0, access.Errorf(access.KindInvalid, "A reader begins after a position or with the last entries; send after or last, not both.")
	}
	end, err := s.Engine.LastPosition(ctx)
	return max(0, end-int64(q.Last)), err
}

func newEvent(ev engine.LoggedEvent) Event {
	return Event{
		Position: ev.Position, ID: string(ev.ID), At: utc(ev.At), Kind: string(ev.Kind), Actor: principalText(ev.Actor),
		Subject: principalText(ev.Subject), ActsFor: principalText(ev.ActsFor), Request: string(ev.Request), Grant: string(ev.Grant), Entitlement: ev.Entitlement,
		From: ev.From, To: ev.To, Detail: ev.Detail, Personal: ev.Personal, Erased: ev.Erased,
	}
}
