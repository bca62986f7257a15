package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Head says how far the log of a tenant has come. Signed, and kept apart from the log, it shows when the end of the log is
// lost, or is another one than it was.
type Head struct {
	Installation string
	Tenant       access.TenantID
	// Position and Event are the newest entry's, and Leaf is what HashLeaf makes of its leaf.
	Position int64
	Event    access.EventID
	Leaf     []byte
	// Checkpoint is the newest one that was signed by then; nil of a head from before there were any.
	Checkpoint []byte
	At         time.Time
	// Generation is that of the tenant's keys of which one has signed it.
	Generation int
}

// headText fixes the names and types of a head's members. Times are microseconds since the Unix epoch.
type headText struct {
	Version      int             `json:"v"`
	Installation string          `json:"installation"`
	Tenant       access.TenantID `json:"tenant"`
	Position     int64           `json:"position"`
	Event        access.EventID  `json:"event"`
	Leaf         []byte          `json:"leaf"`
	Checkpoint   []byte          `json:"checkpoint,omitempty"`
	At           int64           `json:"at"`
	Generation   int             `json:"generation"`
	Signature    []byte          `json:"signature,omitempty"`
}

// signed is what the signature is over.
func (t headText) signed() ([]byte, error) {
	t.Signature = nil
	text, err := json.Marshal(t)
	return append([]byte("curfew head v2\x00"), text...), err
}

// SignHead is the head as a line of JSON with its signature.
func SignHead(h Head, key ed25519.PrivateKey) ([]byte, error) {
	t := headText{
		Version: 2, Installation: h.Installation, Tenant: h.Tenant, Position: h.Position, Event: h.Event, Leaf: h.Leaf,
		Checkpoint: h.Checkpoint, At: access.Micros(h.At), Generation: h.Generation,
	}
	message, err := t.signed()
	if err != nil {
		return nil, err
	}
	t.Signature = ed25519.Sign(key, message)
	text, err := json.Marshal(t)
	return append(text, '\n'), err
}

// ErrSignature is the error of OpenHead for a head that the key has not signed.
var ErrSignature = errors.New("the signature is not this key's")

// HeadKeys finds the key that signs heads under a generation of the tenant's keys; nil for one that is not known.
type HeadKeys func(generation int) ed25519.PublicKey

// OpenHead reads what SignHead wrote. With ErrSignature comes what the text says nevertheless, to be shown and not
// believed.
func OpenHead(text []byte, keys HeadKeys) (Head, error) {
	var t headText
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil || t.Version != 2 {
		return Head{}, fmt.Errorf("this is no head of an audit log, version 2: %w", err)
	}
	h := Head{
		Installation: t.Installation, Tenant: t.Tenant, Position: t.Position, Event: t.Event, Leaf: t.Leaf,
		Checkpoint: t.Checkpoint, At: access.FromMicros(t.At), Generation: t.Generation,
	}
	message, err := t.signed()
	if key := keys(t.Generation); err == nil && (key == nil || !ed25519.Verify(key, message, t.Signature)) {
		err = ErrSignature
	}
	return h, err
}
