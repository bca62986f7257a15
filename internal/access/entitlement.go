package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an entitlement's parts, in bytes.
const (
	MaxConnectorName  = 63
	MaxResourceName   = 300
	MaxPermissionName = 128
)

// Entitlement is a permission on a resource behind a connector, written CONNECTOR/RESOURCE:PERMISSION. The first "/"
// ends the connector, the last ":" begins the permission. Case is exact everywhere. Parsing is the only place where
// the text is taken apart; everything behind it compares the parts.
type Entitlement struct {
	Connector  ConnectorName
	Resource   string
	Permission string
}

// String is the canonical text.
func (e Entitlement) String() string {
	if e == (Entitlement{}) {
		return ""
	}
	return string(e.Connector) + "/" + e.Resource + ":" + e.Permission
}

// ParseEntitlement reads the canonical text. Its errors say which part is wrong and what it should be; they do not repeat
// the text, which may be anything that was pasted in the wrong place.
func ParseEntitlement(s string) (Entitlement, error) {
	const form = "want CONNECTOR/RESOURCE:PERMISSION, as in orders-db/orders:read"
	if len(s) > MaxConnectorName+MaxResourceName+MaxPermissionName+2 {
		return Entitlement{}, fmt.Errorf("an entitlement of %d bytes is too long; %s", len(s), form)
	}
	conn, rest, ok := strings.Cut(s, "/")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return Entitlement{}, fmt.Errorf("this is no entitlement: %s", form)
	}
	e := Entitlement{Connector: ConnectorName(conn), Resource: rest[:colon], Permission: rest[colon+1:]}
	if err := e.Validate(); err != nil {
		return Entitlement{}, fmt.Errorf("this is no entitlement: %w", err)
	}
	return e, nil
}

// Validate checks the bounds and alphabets of the parts.
func (e Entitlement) Validate() error {
	if err := e.Connector.Validate(); err != nil {
		return err
	}
	if err := ValidateResourceName(e.Resource); err != nil {
		return err
	}
	if !spelt(e.Permission, MaxPermissionName, func(c byte) bool {
		return lowerOrDigit(c) || 'A' <= c && c <= 'Z' || c == '.' || c == '_' || c == '-'
	}) {
		return errors.New("its permission wants 1 to 128 of A-Z a-z 0-9 . _ -")
	}
	return nil
}

// Validate checks the alphabet of a connector's name.
func (c ConnectorName) Validate() error {
	if !spelt(string(c), MaxConnectorName, func(c byte) bool { return lowerOrDigit(c) || c == '-' }) {
		return errors.New("the name of a connector wants 1 to 63 of a-z 0-9 -")
	}
	return nil
}

// spelt reports whether s has 1 to most bytes, all of them allowed. Entitlements are read back with every request that is
// listed, and regular expressions would take a good part of that.
func spelt(s string, most int, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= most
}

func lowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// ValidateResourceName checks that a resource's name can be shown and compared: valid UTF-8 of at most 300 bytes,
// without control or format characters (a right-to-left override would make one name look like another).
func ValidateResourceName(s string) error {
	switch {
	case s == "":
		return errors.New("the resource is empty")
	case len(s) > MaxResourceName:
		return fmt.Errorf("a resource name of %d bytes is longer than %d", len(s), MaxResourceName)
	case !utf8.ValidString(s):
		return errors.New("the resource name is not valid UTF-8")
	}
	for _, r := range s {
		if ' ' <= r && r <= '~' {
			continue // what nearly every character is, sooner than by the tables
		}
		if unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("the resource name has the unprintable character U+%04X", r)
		}
	}
	return nil
}

// MarshalText makes Entitlement a string in JSON.
func (e Entitlement) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (e *Entitlement) UnmarshalText(b []byte) error {
	v, err := ParseEntitlement(string(b))
	if err != nil {
		return err
	}
	*e = v
	return nil
}

// Bundle is a set of entitlements that is requested and decided as one.
type Bundle struct {
	// Entitlements have no repeats.
	Entitlements []Entitlement
	// UndoPartial takes the others back when one of a request's grants cannot begin; without it they stay.
	UndoPartial bool
}

// Resource is a thing behind a connector that can be asked for, as discovered at the target.
type Resource struct {
	Name string `json:"name"`
	// Labels of the resource itself; they overlay the connector's.
	Labels map[string]string `json:"labels,omitempty"`
	// Permissions are the names that entitlements on this resource may end with.
	Permissions []string `json:"permissions"`
	// Implies says of permissions what they give beyond what they are granted for, where the driver can tell.
	Implies map[string]Implied `json:"implies,omitempty"`
}
