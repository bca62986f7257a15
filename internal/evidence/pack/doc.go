// Package pack makes packs of evidence: who had what access, why, who agreed, when it was taken back and how that was read
// back, out of an export of the audit log, and nothing else.
//
// It owns the files of a pack and how they follow from the log: the same export and the same order give the same bytes, so
// that whoever has the pack can make it again and compare. It does not own the export's form and proof (package audit) or
// which controls there are (package evidence).
package pack
