// Package delivery carries the audit log outside: signed checkpoints to witnesses, entries to streams.
//
// It owns the workers, one for each destination, of which one node at a time is at work (store.Leases); their cursors; when
// they try again; and the proof that what a witness has is the beginning of what it is given. It reads the log behind its
// cursors, so that nobody who writes to the log waits for a destination, or knows of one.
//
// It does not own how a destination is spoken to: each kind has a package below this one. Nor does it own what an entry looks
// like outside (package audit), or which destinations there are (package config).
//
// What is delivered arrives at least once and in order. Whoever receives it drops what comes again by its position.
package delivery
