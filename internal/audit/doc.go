// Package audit makes the entries of the audit log: from an event, the canonical bytes that the log commits to, and
// apart from them the personal data that they commit to without containing it. Over the entries it grows the Merkle tree,
// signs its checkpoints, and proves and verifies what is in it.
//
// It is pure. It owns the forms of entries, checkpoints and exports; it does not own when an entry is written and the tree
// grows (package engine), where they are kept (package store), or the reading of a whole store (package auditor).
package audit
