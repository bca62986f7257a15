// Package faults disturbs real curfewd processes under load, and the servers, disks, networks and clocks that they stand
// on, and comes to the same verdict each time: nothing that was accepted is lost, nothing is at a target that the books
// do not explain, every grant past its deadline ends by a read, the audit log has no gap, and nothing happened that
// nobody had foreseen.
//
// It owns the accidents, the load and the verdict. It owns neither the child process nor the target (package
// curfewdtest), and no accident of a single instruction: package crash kills the process around each commit and each
// call. It has no code outside its tests.
//
// Disks and networks are made in namespaces of the test's own, which need root or unprivileged user namespaces, on
// Linux. Where there are none the tests fail and say so.
package faults
