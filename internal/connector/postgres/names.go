package postgres

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	rolePrefix = "curfew_"
	// suffixLength is how much of a grant's ID goes into a role's name: all of a minted one, without its prefix.
	suffixLength = 26
	maxSlug      = maxIdentifier - len(rolePrefix) - 1 - suffixLength
)

var (
	plainSuffix = regexp.MustCompile(`^[0-9a-z]{26}$`)
	notPlain    = regexp.MustCompile(`[^0-9a-z]+`)
)

// roleName is the name of a grant's role: curfew_WHO_GRANT, in lower-case letters, digits and underscores that need no
// quoting anywhere. Who it is for is for the reader of a log; which grant it is for is exact.
func roleName(subject string, grant access.GrantID) string {
	return rolePrefix + slug(subject) + "_" + grantSuffix(grant)
}

// slug is what a subject has of plain characters, shortened.
func slug(subject string) string {
	s := strings.Trim(notPlain.ReplaceAllString(strings.ToLower(subject), "_"), "_")
	s = strings.TrimRight(s[:min(len(s), maxSlug)], "_")
	if s == "" {
		return "user"
	}
	return s
}

// grantSuffix is the part of a minted ID that makes it unique, or a hash of any other ID.
func grantSuffix(grant access.GrantID) string {
	if s, ok := strings.CutPrefix(string(grant), access.GrantPrefix); ok && plainSuffix.MatchString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(grant))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:suffixLength]
}
