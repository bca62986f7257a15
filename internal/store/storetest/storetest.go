package storetest

import (
	"context"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Run holds the store to the law. open makes an empty store and closes it in the cleanup of the test; each case has one
// of its own.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	t.Helper()
	cases := []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"books/everything comes back", testRoundTrip},
		{"books/hostile text comes back or is refused", testHostileText},
		{"books/what is there already", testConflicts},
		{"books/what is not there", testMissing},
		{"books/reports that point nowhere", testDangling},
		{"books/reviews: one per person", testReviewPerPerson},
		{"events/filters and pages", testEvents},
		{"events/numbered once, in the order of their IDs", testSequence},
		{"events/no reader misses one", testSequenceRace},
		{"events/leaves", testLeaves},
		{"log/grows from head to head", testLog},
		{"cursors/move on, each once", testCursors},
		{"leases/one holder", testLeases},
		{"leases/one winner", testLeaseRace},
		{"keys/one generation after the other", testKeyGenerations},
		{"keys/wrapped anew", testRewrap},
		{"keys/nothing is sealed that would not open", testSealsNoMore},
		{"keys/sealed anew, by compare and swap", testReseal},
		{"keys/not destroyed while something needs them", testKeyUses},
		{"restores/kept, and settled once", testRestores},
		{"rules/noted and forgotten", testRules},
		{"configurations/one in force, and one that waits", testConfigurations},
		{"configurations/approved by persons", testConfigurationApprovals},
		{"configurations/need what has sealed them", testSealedConfigurations},
		{"tenants/none reaches into another", testTenantIsolation},
		{"requests/transitions", testRequestTransitions},
		{"requests/lapsing", testLapsing},
		{"grants/transitions", testGrantTransitions},
		{"grants/an illegal update ends no transaction", testIllegalUpdateIsNoEnd},
		{"grants/identity stays", testGrantIdentity},
		{"grants/ended is frozen", testEndedFrozen},
		{"grants/the end is verified", testEndVerified},
		{"grants/one wins each version", testCompareAndSwap},
		{"claims/no grant twice", testClaimOnce},
		{"claims/again after the lease", testClaimAgain},
		{"claims/bounds", testClaimBounds},
		{"claims/model", testClaimModel},
		{"claims/counts", testCounts},
		{"claims/what is upcoming", testUpcoming},
		{"atoms/one turn at a time", testAtomTurns},
		{"atoms/a turn has an end", testAtomTurnEnds},
		{"atoms/who settles must have the turn", testAtomSettle},
		{"atoms/holders", testAtomHolders},
		{"findings/once until it is gone", testFindingOnce},
		{"findings/transitions", testFindingTransitions},
		{"findings/filters", testFindingFilters},
		{"freezes/what covers what", testFreezesCover},
		{"delegations", testDelegations},
		{"freezes/carried out and lifted", testFreezeLife},
		{"profiles/what sources tell", testProfiles},
		{"sessions/from a code to the end", testSessions},
		{"passkeys/kept, used and removed", testPasskeys},
		{"recovery codes/good once", testRecoveryCodes},
		{"ceremonies/done once", testCeremonies},
		{"confirmations/appended", testConfirmations},
		{"sessions/of sign-ins that the provider ends", testSignIns},
		{"sessions/of browsers", testRotations},
		{"devices", testDevices},
		{"provisioned/users and groups", testProvisioned},
		{"provisioned/memberships", testMemberships},
		{"provisioned/of whom is to be told", testStaleUsers},
		{"spent tokens", testSpentTokens},
		{"erasures/begun, carried out and done", testErasures},
		{"redactions/what goes and what stays", testRedactions},
		{"redactions/what is not over stays", testRedactionsOfWhatIsNotOver},
		{"redactions/rights", testRedactedRights},
		{"lists/filters", testListFilters},
		{"lists/what belongs to several requests", testOfRequests},
		{"lists/complete while others insert", testPagesComplete},
		{"lists/bad cursors", testBadCursors},
		{"transactions/an error undoes its own only", testErrorIsolation},
		{"transactions/a panic undoes its own only", testPanicIsolation},
		{"transactions/error is returned as it is", testErrorIdentity},
		{"transactions/what the database refuses ends them", testRefusedByDatabase},
		{"transactions/one after the other", testWriteSkew},
		{"transactions/a view is a snapshot", testViewSnapshot},
		{"transactions/a view cannot write", testViewReadOnly},
		{"transactions/ended", testEndedTx},
		{"transactions/cancelled", testCancelled},
		{"transactions/clock", testClock},
		{"closed", testClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// RunDurable holds the store to the part of the law that outlives it. fresh prepares a place for one store; each call
// of the function that it returns opens the store in that place again, after it was closed.
func RunDurable(t *testing.T, fresh func(t testing.TB) (open func() store.Store)) {
	t.Helper()
	t.Run("everything comes back", func(t *testing.T) { testReopen(t, fresh(t)) })
	t.Run("the clock does not fall behind the events", func(t *testing.T) { testReopenClock(t, fresh(t)) })
}

// update fails the test when fn does.
func update(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), "test", fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// view fails the test when fn does.
func view(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// wantKind fails the test unless err is an error of the kind.
func wantKind(t testing.TB, what string, err error, kind access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != kind {
		t.Errorf("%s: got %v, want an error of kind %q", what, err, kind)
	}
}
