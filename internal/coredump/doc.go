// Package coredump keeps what this process has in its memory out of core dumps.
//
// A dump of curfewd holds unwrapped keys and the passwords of connectors, one of curfew a private key and an opened
// credential; where dumps go, and who reads them there, is nobody's plan. The package owns the settings of the process
// by which the kernel writes none. It does not own swap, hibernation, or root with a debugger: docs/threat-model.md says
// what is left to those.
package coredump
