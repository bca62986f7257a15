// Package policy decides. It compiles policies (CEL expressions among them) into a Set, and Set.Decide turns a frozen
// Input into a Decision, purely: no clock, no network, no store, so that any decision can be replayed.
//
// It owns the rules of deciding and of counting reviews. It does not read YAML (package config), does not ask the
// world for facts (packages facts/<type>) and does not act on what it decides (package engine).
package policy
