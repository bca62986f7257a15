// Package planted names rules that can be broken on purpose, to show that the simulation notices.
//
// A build with the tag plantedbugs breaks the one rule that the environment names. In every other build Active is false,
// which the compiler knows, and nothing of a broken rule is left. The package owns the names; where a rule lives, the code
// that breaks it stands beside the code that keeps it.
package planted

// Variable is the environment variable that names the bug which a build with the tag has.
const Variable = "CURFEW_PLANTED_BUG"

// Bug is a rule broken.
type Bug string

// The bugs.
const (
	// EffectBeforeCommit touches the target before the plan is committed.
	EffectBeforeCommit Bug = "effect-before-commit"
	// EndedWithoutObserve takes the target's word that access is gone.
	EndedWithoutObserve Bug = "ended-without-observe"
	// AttemptsCapped gives up after six failures in a row.
	AttemptsCapped Bug = "attempts-capped"
	// DeadlineMovedOnRetry starts the clock again with every attempt.
	DeadlineMovedOnRetry Bug = "deadline-moved-on-retry"
	// LeaseNotFenced writes over what others wrote after a lease had passed.
	LeaseNotFenced Bug = "lease-not-fenced"
	// ReferenceCountSkipped takes a shared right away that other grants still hold.
	ReferenceCountSkipped Bug = "reference-count-skipped"
	// PreImageIgnored takes a shared right away that was there before any grant.
	PreImageIgnored Bug = "pre-image-ignored"
	// AuditOutsideTransaction writes the audit entry after the commit of its change.
	AuditOutsideTransaction Bug = "audit-outside-transaction"
	// AccountsForPersons lets somebody review their own request under another account.
	AccountsForPersons Bug = "accounts-for-persons"
	// OrphanIgnored leaves what bears our mark at the target when the books do not have its grant.
	OrphanIgnored Bug = "orphan-ignored"
	// LateOrderForgotten ends a grant while an order to grant may still arrive.
	LateOrderForgotten Bug = "late-order-forgotten"
	// CredentialKept leaves the credential in the store when the access is taken back.
	CredentialKept Bug = "credential-kept"
	// UndoSkipped leaves at the target what the loser of a race made there.
	UndoSkipped Bug = "undo-skipped"
	// DelegationOutlived counts what a delegate has said when the delegation is over.
	DelegationOutlived Bug = "delegation-outlived"
	// AskerForgotten keeps no note of who has asked in another's name, so that they may review it.
	AskerForgotten Bug = "asker-forgotten"
	// LeaverKeeps leaves with people what they had when they left.
	LeaverKeeps Bug = "leaver-keeps"
	// WordOutlived leaves what lives on the word of one who has left.
	WordOutlived Bug = "word-outlived"
	// LogoutForgotten lets somebody sign in by a session that the identity provider has ended meanwhile.
	LogoutForgotten Bug = "logout-forgotten"
	// LinkUnnoticed leaves what lives on the word of somebody who turns out to be who asked.
	LinkUnnoticed Bug = "link-unnoticed"
)

// Bugs lists them all.
func Bugs() []Bug {
	return []Bug{
		EffectBeforeCommit, EndedWithoutObserve, AttemptsCapped, DeadlineMovedOnRetry, LeaseNotFenced, ReferenceCountSkipped,
		PreImageIgnored, AuditOutsideTransaction, AccountsForPersons, OrphanIgnored, LateOrderForgotten, CredentialKept, UndoSkipped,
		DelegationOutlived, AskerForgotten, LeaverKeeps, WordOutlived, LogoutForgotten, LinkUnnoticed,
	}
}
