// Package simulation lets several engines live whole lives on one store and one target while everything goes wrong that
// can, and checks the promises of the design after every step.
//
// One seed decides it all: who asks for what, which node does what next, when a call is held up half-way, which answers
// are lost, when a node dies, how the clocks run. Exactly one goroutine goes on at any moment, and time is that of a
// testing/synctest bubble, so the same seed is the same run: it has the same trace, and a failure can be looked at again.
//
// It owns the accidents, the people and the promises. It owns no rule of the engine, which is the real one, on a real
// store and with the in-memory target. It is for tests only.
package simulation
