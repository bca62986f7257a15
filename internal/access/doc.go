// Package access is the vocabulary of Curfew. Read it first: every other package speaks in its nouns.
//
// It owns the nouns (principal, entitlement, request, review, grant, plan, atom, credential, finding, event), the
// typed identifiers, the one table of legal state transitions, the Clock, and the kinds of error with their mapping to
// HTTP statuses and exit codes.
//
// It owns no rule about who may have what (package policy), no storage (package store) and nothing that acts on a
// target (package connector). It imports the standard library only.
package access
