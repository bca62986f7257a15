// Package curfewdtest runs curfewd as a process of its own that a test may end, stop and disturb, and knows what such a
// test holds the process against: its books, and the target outside.
//
// It owns the child (the test binary, executed again), the people of a small company with their tokens, a PostgreSQL as
// the target, and reading what is there and in the books. It owns no accident and no verdict: packages crash and faults
// do. No program links it.
package curfewdtest
