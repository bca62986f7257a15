package connector

// Call names a method of Driver in messages, metrics and tests.
type Call string

// The calls.
const (
	CallCheck    Call = "check"
	CallDiscover Call = "discover"
	CallPrepare  Call = "prepare"
	CallGrant    Call = "grant"
	CallExtend   Call = "extend"
	CallRevoke   Call = "revoke"
	CallObserve  Call = "observe"
	CallTidy     Call = "tidy"
	CallList     Call = "list"
)

// Calls lists every call that goes to the target, in the order of a grant's life.
func Calls() []Call {
	return []Call{
		CallCheck, CallDiscover, CallPrepare, CallGrant, CallExtend, CallRevoke, CallObserve, CallTidy, CallList,
	}
}
