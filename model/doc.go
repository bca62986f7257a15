// Package model checks the life of a grant as a Promela model, exhaustively, with Spin.
//
// It owns the model (grant.pml), what it promises and what it leaves out (README.md), and the test that runs it. It owns
// no code of the product: what the engine does is in package engine, and the model has to follow it by hand.
package model
