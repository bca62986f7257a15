package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// wholeCluster is the resource that stands for all namespaces and for what is in none. No namespace can have this name.
	wholeCluster = "_cluster"

	labelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "curfew"
	labelPrefix    = "curfewhq.github.io/"
	labelGrant     = labelPrefix + "grant"
	labelTenant    = labelPrefix + "tenant"
	labelConnector = labelPrefix + "connector"
	noteMark       = labelPrefix + "mark"
	notePrincipal  = labelPrefix + "principal"
	noteBinding    = labelPrefix + "binding"
	noteExpires    = labelPrefix + "expires"
	maxBaseName    = 52 // of the 63 bytes of a label, without a hyphen and the number of an attempt
	maxPrincipal   = 512
)

// baseName is the name of a grant's binding, and how those of its accounts begin: curfew-WHO-GRANT, an RFC 1123 label.
func baseName(o connector.Order) string {
	return strings.ReplaceAll(connector.AccountName(o.Principal.Subject, o.Grant, maxBaseName), "_", "-")
}

// accountName is the name of the account of one credential. Each has another, because servers remember for a while that a
// token was good, and a binding names accounts: what an earlier token is remembered for must not be what a later one is given.
func accountName(base string, attempt int) string { return base + "-" + strconv.Itoa(attempt) }

// labels are what operators select by, and we.
func (d *driver) labels(grant string, tenant access.TenantID) map[string]string {
	return map[string]string{
		labelManagedBy: managedBy, labelGrant: grant, labelTenant: labelValue(string(tenant)), labelConnector: labelValue(string(d.name)),
	}
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// labelValue is the text itself where a label can hold it, or a hash of it.
func labelValue(text string) string {
	if plainValue.MatchString(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// principal is who a grant is for, for the reader of an annotation.
func principal(id access.PrincipalID) string {
	s := strings.ToValidUTF8(id.Issuer+"/"+id.Subject, "\uFFFD")
	for len(s) > maxPrincipal {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
