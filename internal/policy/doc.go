// Package policy decides. It compiles policies (CEL expressions among them) into a Set, and Set.Decide turns a frozen
// Input into a Decision, purely: no clock, no network, no store, so that any decision can be replayed.
//
// It owns the rules of deciding (decide.go reads as the list of them) and of counting reviews (tally.go), the language
// of selectors, patterns and expressions, and the signatures of fact functions. It does not read YAML (package config),
// does not ask the world for facts (packages facts/<type>), does not know who is in a group (package directory), and
// does not act on what it decides (package engine).
package policy
