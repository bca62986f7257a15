// Package evidence says with which controls of which audits Curfew helps, and what shows it.
//
// It owns the list of controls: their stable names, what Curfew does for each, what is left to whoever runs it, and the
// commands by which that can be looked at. docs/compliance.md shows the same list. It does not own what the commands do, and
// judges nothing: whether a control is met is an auditor's to say.
package evidence
