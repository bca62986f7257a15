package access

import "time"

// Attestation is an administrator's word that a target no longer exists, so that a grant there can never be read back as
// gone. It takes two, of two persons, to end a grant; it is never counted as verified.
type Attestation struct {
	Tenant TenantID
	Grant  GrantID
	By     PrincipalID
	Person PersonID
	Reason string
	At     time.Time
}

// AttestationsNeeded is how many persons must attest.
const AttestationsNeeded = 2
