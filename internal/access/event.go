package access

import (
	"strings"
	"time"
)

// EventKind names a change.
type EventKind string

// The kinds of event.
const (
	EventRequestSubmitted EventKind = "request.submitted"
	EventRequestReviewed  EventKind = "request.reviewed"
	EventRequestApproved  EventKind = "request.approved"
	EventRequestDenied    EventKind = "request.denied"
	EventRequestWithdrawn EventKind = "request.withdrawn"
	EventRequestLapsed    EventKind = "request.lapsed"

	EventGrantScheduled  EventKind = "grant.scheduled"
	EventGrantActivating EventKind = "grant.activating"
	EventGrantActive     EventKind = "grant.active"
	EventGrantRevoking   EventKind = "grant.revoking"
	EventGrantEnded      EventKind = "grant.ended"
	EventGrantFailed     EventKind = "grant.attempt_failed"
	EventGrantExtending  EventKind = "grant.extending"
	EventGrantExtended   EventKind = "grant.extended"
	EventGrantAttested   EventKind = "grant.attested"

	// EventGrantRemovedOffline says what was taken back and read back while the store was away; written when it is back.
	EventGrantRemovedOffline EventKind = "grant.removed_offline"

	EventCredentialIssued  EventKind = "credential.issued"
	EventCredentialFetched EventKind = "credential.fetched"

	EventFindingOpened   EventKind = "finding.opened"
	EventFindingRemoved  EventKind = "finding.removed"
	EventFindingAccepted EventKind = "finding.accepted"

	EventFreezeBegun  EventKind = "freeze.begun"
	EventFreezeLifted EventKind = "freeze.lifted"

	EventStoreRestored EventKind = "store.restored"

	// EventKeyRotated says that there is a new generation of a tenant's keys, EventKeyRewrapped that another key-encryption
	// key wraps those that there are.
	EventKeyRotated   EventKind = "key.rotated"
	EventKeyRewrapped EventKind = "key.rewrapped"
	// EventKeySealingDestroyed says that what an old generation has sealed opens no more, EventKeyDestroyed that all of it
	// is gone.
	EventKeySealingDestroyed EventKind = "key.sealing_destroyed"
	EventKeyDestroyed        EventKind = "key.destroyed"

	// EventLogKeyChanged says that the checkpoints of the log are signed by another key from then on; both have signed it.
	EventLogKeyChanged EventKind = "log.key_changed"

	EventPersonForgotten EventKind = "person.forgotten"
)

// Matches reports whether the kind is one that a selection names: that kind itself, or each that begins so where it ends with
// a dot. The empty selection names all.
func (k EventKind) Matches(selection EventKind) bool {
	return selection == "" || k == selection || strings.HasSuffix(string(selection), ".") && strings.HasPrefix(string(k), string(selection))
}

// Event is one change of state. It is at once the audit entry, the message to watchers and the notifier's input.
type Event struct {
	ID     EventID
	Tenant TenantID
	At     time.Time
	Kind   EventKind
	// Actor is who caused it; zero when the engine acted by itself.
	Actor PrincipalID
	// Subject is whose access it is about.
	Subject PrincipalID
	// Person is the subject's person, by which personal data is found again and erased.
	Person      PersonID
	Request     RequestID
	Grant       GrantID
	Entitlement string
	From, To    string
	// Detail holds facts that say nothing about a person: states, counts, times, digests, safe errors.
	Detail map[string]string
	// Personal holds words of or about people: a reason, a comment, what a target said of an account. The audit log commits to it with a salt, so that
	// it can be erased without breaking the log. No secret belongs in either map.
	Personal map[string]string
}
