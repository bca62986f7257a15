// Package engine is the life of requests and grants: Submit, Review, Step, Extend, Revoke, Credential,
// and the freezes that forbid them.
//
// It owns the order in which things happen: a decision before any access, the plan in the store before the target is
// touched, the target read back before a grant has ended, and an audit entry in the transaction of every change. It is
// the only writer of requests and grants, mints identifiers and marks, and says who may see and do what.
//
// It does not own what the rules are (package policy), how a target is reached (package connector), where the books are
// kept (package store), or who somebody is (package directory). It calls no notifier and starts no goroutine; Runner, in
// this package, is what calls Step.
package engine
