package access

import "strings"

// Identifiers are minted by the engine (UUIDv7 in base32, with a prefix that names the noun), never by a caller.
type (
	// TenantID names one customer's world. It is part of every key.
	TenantID string
	// RequestID has the prefix "req_".
	RequestID string
	// ReviewID has the prefix "rev_".
	ReviewID string
	// GrantID has the prefix "gr_".
	GrantID string
	// EventID has the prefix "ev_".
	EventID string
	// FindingID has the prefix "fd_".
	FindingID string
	// FreezeID has the prefix "fz_".
	FreezeID string
	// DelegationID has the prefix "dl_".
	DelegationID string
	// ErasureID has the prefix "er_".
	ErasureID string
	// ConnectorName is the configured name of a connector: [a-z0-9-]{1,63}.
	ConnectorName string
	// PersonID names a human being. All principals of one human, and the services and agents that the human owns,
	// carry the same PersonID.
	PersonID string
)

// DefaultTenant is the only tenant until service providers come.
const DefaultTenant TenantID = "default"

// Prefixes of minted identifiers.
const (
	RequestPrefix = "req_"
	ReviewPrefix  = "rev_"
	GrantPrefix   = "gr_"
	EventPrefix   = "ev_"
	FindingPrefix = "fd_"
	FreezePrefix  = "fz_"
	ErasurePrefix = "er_"
	ProfilePrefix = "pr_"
	SessionPrefix = "se_"

	ProvisionedUserPrefix  = "us_"
	ProvisionedGroupPrefix = "gp_"
	DelegationPrefix       = "dl_"
)

// IDs mints identifiers: the prefix, then characters that sort by time of minting and end in at least 30 random bits.
// Implementations are safe for concurrent use.
type IDs interface {
	New(prefix string) string
}

// Short is the part of an identifier that people type: its last six characters.
func Short[T ~string](id T) string {
	s := string(id)
	if len(s) <= 6 {
		return s
	}
	return s[len(s)-6:]
}

// MatchesShort reports whether typed is the whole identifier or its last six characters.
func MatchesShort[T ~string](id T, typed string) bool {
	return typed != "" && (string(id) == typed || (len(typed) == 6 && strings.HasSuffix(string(id), typed)))
}
