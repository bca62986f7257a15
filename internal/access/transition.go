package access

import "slices"

// grantTransitions is the one table of what may follow what. The engine asks it before every change, the database's
// CHECK and compare-and-swap refuse the rest, docs/states.md draws it, and a test holds the three together.
var grantTransitions = map[GrantState][]GrantState{
	GrantScheduled:  {GrantActivating, GrantEnded},
	GrantActivating: {GrantActive, GrantRevoking},
	GrantActive:     {GrantRevoking},
	GrantRevoking:   {GrantEnded},
	GrantEnded:      {},
}

var requestTransitions = map[RequestState][]RequestState{
	RequestPending:   {RequestApproved, RequestDenied, RequestWithdrawn, RequestLapsed},
	RequestApproved:  {},
	RequestDenied:    {},
	RequestWithdrawn: {},
	RequestLapsed:    {},
}

// A finding is closed once. What is accepted stays so; what was removed and comes back is a finding of its own.
var findingTransitions = map[FindingState][]FindingState{
	FindingOpen:     {FindingRemoved, FindingAccepted},
	FindingRemoved:  {},
	FindingAccepted: {},
}

// GrantStates lists the states in the order of a grant's life.
func GrantStates() []GrantState {
	return []GrantState{GrantScheduled, GrantActivating, GrantActive, GrantRevoking, GrantEnded}
}

// RequestStates lists the states of a request.
func RequestStates() []RequestState {
	return []RequestState{RequestPending, RequestApproved, RequestDenied, RequestWithdrawn, RequestLapsed}
}

// FindingStates lists the states of a finding.
func FindingStates() []FindingState {
	return []FindingState{FindingOpen, FindingRemoved, FindingAccepted}
}

// CanBecome reports whether a finding may go from s to next.
func (s FindingState) CanBecome(next FindingState) bool {
	return slices.Contains(findingTransitions[s], next)
}

// CanBecome reports whether a grant may go from s to next.
func (s GrantState) CanBecome(next GrantState) bool {
	return slices.Contains(grantTransitions[s], next)
}

// CanBecome reports whether a request may go from s to next.
func (s RequestState) CanBecome(next RequestState) bool {
	return slices.Contains(requestTransitions[s], next)
}

// Live reports whether access may exist at the target in this state.
func (s GrantState) Live() bool {
	return s == GrantActivating || s == GrantActive || s == GrantRevoking
}

// Settled reports whether the request can no longer change.
func (s RequestState) Settled() bool { return len(requestTransitions[s]) == 0 }
