package engine

import (
	"encoding/base32"

	"github.com/google/uuid"
)

// UUIDs mints identifiers from UUIDv7 (RFC 9562), written in Crockford's base32 so that they are short, sort by time
// and hold no letters that look alike.
type UUIDs struct{}

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns the prefix and 26 characters.
func (UUIDs) New(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	return prefix + crockford.EncodeToString(id[:])
}
