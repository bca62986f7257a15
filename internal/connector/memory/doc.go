// Package memory has the drivers for a target that lives in the process. One makes accounts with a mark, an expiry and a
// password, which have sessions and make objects; the other makes accounts that are there members of groups. Tests of the engine and the simulation run on it, and it is the first
// to pass the law of connectortest.
//
// It owns the Target, with its faults and everything that a test wants to look at or to do behind Curfew's back, and
// the drivers. It starts no goroutine and waits for nothing but the context of a call that it was told to stall, so that
// a run with a given clock and source of randomness is the same every time.
package memory
