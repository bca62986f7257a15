package connector

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// AccountPrefix begins every AccountName. Alone it is nobody's name.
	AccountPrefix = "curfew_"
	// suffixLength is how much of a grant's ID goes into a name: all of a minted one, without its prefix.
	suffixLength = 26
)

var (
	plainSuffix = regexp.MustCompile(`^[0-9a-z]{26}$`)
	notPlain    = regexp.MustCompile(`[^0-9a-z]+`)
)

// AccountName is the name of an account that exists for one grant only: curfew_WHO_GRANT, in lower-case letters, digits and
// underscores that need no quoting anywhere. It has at most limit bytes, which is 40 or more. Who it is for is for the reader
// of a log; which grant it is for is exact.
func AccountName(subject string, grant access.GrantID, limit int) string {
	return AccountPrefix + slug(subject, limit-len(AccountPrefix)-1-suffixLength) + "_" + grantSuffix(grant)
}

// slug is what a subject has of plain characters, shortened.
func slug(subject string, limit int) string {
	s := strings.Trim(notPlain.ReplaceAllString(strings.ToLower(subject), "_"), "_")
	s = strings.TrimRight(s[:min(len(s), limit)], "_")
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
