package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/curfewhq/curfew/internal/access"
)

// The members of the detail of an access.EventLogKeyChanged.
const (
	keyPrevious          = "previous_key"
	keyNext              = "next_key"
	keyPreviousSignature = "previous_signature"
	keyNextSignature     = "next_signature"
)

// keyChangeText is what both keys sign.
func keyChangeText(previous, next string) []byte {
	return []byte("curfew log key change v1\n" + previous + "\n" + next + "\n")
}

// NewKeyChange is the detail of the entry by which the key of a log becomes another: both say so. Who believes the one may
// believe the other from then on.
func NewKeyChange(origin string, previous, next ed25519.PrivateKey) (map[string]string, error) {
	from, err := VerifierKey(origin, previous.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	to, err := VerifierKey(origin, next.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	sign := func(key ed25519.PrivateKey) string {
		return base64.StdEncoding.EncodeToString(ed25519.Sign(key, keyChangeText(from, to)))
	}
	return map[string]string{keyPrevious: from, keyNext: to, keyPreviousSignature: sign(previous), keyNextSignature: sign(next)}, nil
}

// KeyChanged reads the entry of a key change: which key was followed by which. It fails unless both have signed.
func KeyChanged(ev access.Event) (previous, next string, err error) {
	previous, next = ev.Detail[keyPrevious], ev.Detail[keyNext]
	text := keyChangeText(previous, next)
	for key, field := range map[string]string{previous: keyPreviousSignature, next: keyNextSignature} {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return "", "", fmt.Errorf("the entry of a key change has %.200q as a key: %w", key, err)
		}
		signature, err := base64.StdEncoding.Strict().DecodeString(ev.Detail[field])
		if err != nil || !verifier.Verify(text, signature) {
			return "", "", fmt.Errorf("the key change to %.200q is not signed by %.200q", next, key)
		}
	}
	return previous, next, nil
}

// Keys are the public keys of a log that somebody believes: those that they have, and those that the entries of the log
// lead to.
type Keys struct {
	believed []string
	changes  []keyChange
}

// keyChange is an entry that both keys have signed.
type keyChange struct{ previous, next string }

// NewKeys begins with the keys that somebody has.
func NewKeys(keys ...string) *Keys { return &Keys{believed: slices.Clone(keys)} }

// List are all that are believed by now.
func (k *Keys) List() []string { return k.believed }

// Past are those in List, and those that were the log's before them, as they say themselves. What the others have signed is
// of an earlier log, which whoever holds it against this one has still to prove: they may have been destroyed for a reason.
func (k *Keys) Past() []string {
	past := slices.Clone(k.believed)
	for _, c := range slices.Backward(k.changes) {
		if slices.Contains(past, c.next) && !slices.Contains(past, c.previous) {
			past = append(past, c.previous)
		}
	}
	return past
}

// Follow takes an entry of the log. When it is the change of a believed key, the next one is believed too.
func (k *Keys) Follow(ev access.Event) error {
	if ev.Kind != access.EventLogKeyChanged {
		return nil
	}
	previous, next, err := KeyChanged(ev)
	if err != nil {
		return err
	}
	if c := (keyChange{previous, next}); !slices.Contains(k.changes, c) {
		k.changes = append(k.changes, c)
	}
	if slices.Contains(k.believed, previous) && !slices.Contains(k.believed, next) {
		k.believed = append(k.believed, next)
	}
	return nil
}
