// Package audit makes the entries of the audit log: from an event, the canonical bytes that the log commits to, and
// apart from them the personal data that they commit to without containing it.
//
// It is pure. It owns the form of entries; it does not own when an entry is written (package engine), where it is kept
// (package store) or the tree over the entries, which is not built yet.
package audit
