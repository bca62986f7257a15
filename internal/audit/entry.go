package audit

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxLeaf bounds an entry's canonical bytes.
const MaxLeaf = 64 << 10

// saltBytes makes a commitment impossible to guess from a list of likely values.
const saltBytes = 32

// Fields of an event that name a person; together with the keys of Event.Personal they are all that can be erased.
const (
	FieldActor   = "actor"
	FieldSubject = "subject"
	FieldActsFor = "acts_for"
)

// IsName reports whether a field is one of an event's own that name a person, and not one of its Personal.
func IsName(field string) bool {
	return field == FieldActor || field == FieldSubject || field == FieldActsFor
}

// Personal is one value that a leaf commits to.
type Personal struct {
	Field string
	Value string
	Salt  []byte
}

// Entry is one line of the log.
type Entry struct {
	// Leaf is canonical JSON (RFC 8785): the same event and salts give the same bytes, for ever.
	Leaf     []byte
	Personal []Personal
}

// leaf fixes the names and types of an entry's members. Times are microseconds since the Unix epoch.
type leaf struct {
	Version     int               `json:"v"`
	ID          access.EventID    `json:"id"`
	Tenant      access.TenantID   `json:"tenant"`
	At          int64             `json:"at"`
	Kind        access.EventKind  `json:"kind"`
	Request     access.RequestID  `json:"request,omitempty"`
	Grant       access.GrantID    `json:"grant,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	From        string            `json:"from,omitempty"`
	To          string            `json:"to,omitempty"`
	Detail      map[string]string `json:"detail,omitempty"`
	// Commitments are by field.
	Commitments map[string]string `json:"commitments,omitempty"`
}

// NewEntry makes the entry of an event, with salts from random.
func NewEntry(e access.Event, random io.Reader) (Entry, error) {
	l := leaf{
		Version: 1, ID: e.ID, Tenant: e.Tenant, At: access.Micros(e.At), Kind: e.Kind, Request: e.Request, Grant: e.Grant,
		Entitlement: e.Entitlement, From: e.From, To: e.To, Detail: e.Detail, Commitments: map[string]string{},
	}
	var personal []Personal
	add := func(field, value string) error {
		if value == "" {
			return nil
		}
		salt := make([]byte, saltBytes)
		if _, err := io.ReadFull(random, salt); err != nil {
			return fmt.Errorf("drawing a salt: %w", err)
		}
		l.Commitments[field] = commitment(field, value, salt)
		personal = append(personal, Personal{Field: field, Value: value, Salt: salt})
		return nil
	}
	err := errors.Join(add(FieldActor, e.Actor.String()), add(FieldSubject, e.Subject.String()), add(FieldActsFor, e.ActsFor.String()))
	if err != nil {
		return Entry{}, err
	}
	for _, field := range slices.Sorted(maps.Keys(e.Personal)) {
		if IsName(field) {
			return Entry{}, fmt.Errorf("the personal field %q of an event has a reserved name", field)
		}
		if err := add(field, e.Personal[field]); err != nil {
			return Entry{}, err
		}
	}
	bytes, err := canonical(l)
	if err != nil {
		return Entry{}, fmt.Errorf("audit entry %s: %w", e.ID, err)
	}
	return Entry{Leaf: bytes, Personal: personal}, nil
}

// commitment hides the value until its salt is shown, and then proves it.
func commitment(field, value string, salt []byte) string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("curfew commitment v1"), []byte(field), salt, []byte(value)} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Open checks that the leaf commits to each value and returns the event as it was, without what has been erased. It
// fails when a value is not the one that the leaf commits to.
func Open(leafBytes []byte, personal []Personal) (access.Event, error) {
	e, _, err := OpenWithErased(leafBytes, personal)
	return e, err
}

// OpenWithErased is Open for one who wants to know what has been erased: erased are the fields that the leaf commits to and
// whose values are not there, in order.
func OpenWithErased(leafBytes []byte, personal []Personal) (e access.Event, erased []string, err error) {
	var l leaf
	if err := json.Unmarshal(leafBytes, &l); err != nil {
		return access.Event{}, nil, fmt.Errorf("audit entry: %w", err)
	}
	e = access.Event{
		ID: l.ID, Tenant: l.Tenant, At: access.FromMicros(l.At), Kind: l.Kind, Request: l.Request, Grant: l.Grant,
		Entitlement: l.Entitlement, From: l.From, To: l.To, Detail: l.Detail,
	}
	for _, p := range personal {
		want, got := l.Commitments[p.Field], commitment(p.Field, p.Value, p.Salt)
		if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
			return access.Event{}, nil, fmt.Errorf("audit entry %s does not commit to its %s", l.ID, p.Field)
		}
		if err := place(&e, p); err != nil {
			return access.Event{}, nil, err
		}
	}
	for _, p := range personal {
		delete(l.Commitments, p.Field)
	}
	return e, slices.Sorted(maps.Keys(l.Commitments)), nil
}

func place(e *access.Event, p Personal) (err error) {
	switch p.Field {
	case FieldActor:
		e.Actor, err = access.ParsePrincipalID(p.Value)
	case FieldSubject:
		e.Subject, err = access.ParsePrincipalID(p.Value)
	case FieldActsFor:
		e.ActsFor, err = access.ParsePrincipalID(p.Value)
	default:
		if e.Personal == nil {
			e.Personal = map[string]string{}
		}
		e.Personal[p.Field] = p.Value
	}
	return err
}
