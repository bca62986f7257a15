// Package auditor holds the audit log in a store against checkpoints: those that the store has, and those that somebody
// kept elsewhere.
//
// It owns the reading of a whole log and what is said of it. It owns neither the form of entries and of the tree (package
// audit), nor the keys (package secret), and it trusts nothing that it reads: a store under suspicion is what it is for.
package auditor
