package audit

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Record is an entry of the log as others read it: the event at its position, without what proves it.
type Record struct {
	// Position counts from 1 on without gaps. Who is given a record twice knows it by its position.
	Position int64
	access.Event
	// Erased are the personal fields of which nothing is left but the commitment.
	Erased []string
}

// RecordOf opens a leaf, with its personal values held against it.
func RecordOf(position int64, leafBytes []byte, personal []Personal) (Record, error) {
	ev, erased, err := OpenWithErased(leafBytes, personal)
	if err != nil {
		return Record{}, fmt.Errorf("the entry at position %d of the audit log is not what was written: %w", position, err)
	}
	return Record{Position: position, Event: ev, Erased: erased}, nil
}

// WithoutPersonal is the record without the names and the words of people.
func (r Record) WithoutPersonal() Record {
	r.Actor, r.Subject, r.ActsFor, r.Personal = access.PrincipalID{}, access.PrincipalID{}, access.PrincipalID{}, nil
	return r
}

// ErasedBy is how many personal values went with whom the entry says was forgotten; 0 of any other entry. Values that are not
// there and that no entry accounts for are being erased at this moment, or were taken out by somebody.
func ErasedBy(ev access.Event) int {
	if ev.Kind != access.EventPersonForgotten {
		return 0
	}
	n, err := strconv.Atoi(ev.Detail["values"])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// recordText fixes the names of a record's members: those of GET /v1/events.
type recordText struct {
	Position    int64             `json:"position"`
	ID          access.EventID    `json:"id"`
	At          time.Time         `json:"at"`
	Kind        access.EventKind  `json:"kind"`
	Actor       string            `json:"actor,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	ActsFor     string            `json:"acts_for,omitempty"`
	Request     access.RequestID  `json:"request,omitempty"`
	Grant       access.GrantID    `json:"grant,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	From        string            `json:"from,omitempty"`
	To          string            `json:"to,omitempty"`
	Detail      map[string]string `json:"detail,omitempty"`
	Personal    map[string]string `json:"personal,omitempty"`
}

// MarshalJSON writes the record as GET /v1/events does.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(recordText{
		Position: r.Position, ID: r.ID, At: r.At.UTC(), Kind: r.Kind, Actor: r.Actor.String(), Subject: r.Subject.String(), ActsFor: r.ActsFor.String(),
		Request: r.Request, Grant: r.Grant, Entitlement: r.Entitlement, From: r.From, To: r.To, Detail: r.Detail, Personal: r.Personal,
	})
}
