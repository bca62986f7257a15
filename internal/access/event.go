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
	// EventRequestConfirmed says that a human has confirmed a request with a passkey.
	EventRequestConfirmed EventKind = "request.confirmed"

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

	EventDelegationBegun EventKind = "delegation.begun"
	EventDelegationEnded EventKind = "delegation.ended"

	// EventConfigProposed says that a version of the configuration waits, EventConfigApproved that an administrator agrees to it,
	// EventConfigRejected that it waits no more, and EventConfigApplied that it came into force.
	EventConfigProposed EventKind = "config.proposed"
	EventConfigApproved EventKind = "config.approved"
	EventConfigRejected EventKind = "config.rejected"
	EventConfigApplied  EventKind = "config.applied"

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

	// EventPrincipalAdded says that a source of identities has told of an account for the first time, EventPrincipalChanged that
	// something of it changed, EventPrincipalGone that it is there no more, and EventPrincipalReturned that it is there again.
	EventPrincipalAdded    EventKind = "principal.added"
	EventPrincipalChanged  EventKind = "principal.changed"
	EventPrincipalGone     EventKind = "principal.gone"
	EventPrincipalReturned EventKind = "principal.returned"

	// EventPersonLinked says that a principal is another person's now, EventPersonUnlinked that it is a person of its own.
	EventPersonLinked   EventKind = "person.linked"
	EventPersonUnlinked EventKind = "person.unlinked"

	// What an identity provider writes of its users and groups.
	EventUserCreated  EventKind = "directory.user_created"
	EventUserChanged  EventKind = "directory.user_changed"
	EventUserDeleted  EventKind = "directory.user_deleted"
	EventGroupCreated EventKind = "directory.group_created"
	EventGroupChanged EventKind = "directory.group_changed"
	EventGroupDeleted EventKind = "directory.group_deleted"

	EventSessionBegun EventKind = "session.begun"
	EventSessionEnded EventKind = "session.ended"

	EventPasskeyAdded   EventKind = "passkey.added"
	EventPasskeyRemoved EventKind = "passkey.removed"
	// EventPasskeyRefused says that a signature counter did not go up: there may be a copy of the authenticator.
	EventPasskeyRefused EventKind = "passkey.refused"
	// EventPasskeyInvited says that an administrator has let somebody register a first passkey.
	EventPasskeyInvited EventKind = "passkey.invited"
	// EventRecoveryCodesMade says that there are new recovery codes, and the old ones void; EventRecoveryCodeUsed that one
	// was used, and is so no more.
	EventRecoveryCodesMade EventKind = "recovery_codes.made"
	EventRecoveryCodeUsed  EventKind = "recovery_code.used"
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
	// ActsFor is the human for whom the subject acts, if that is an agent.
	ActsFor PrincipalID
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
