// Package localpeer starts private servers of other people's making on this machine: on a loopback port of their own,
// in a folder of their own, for the development mode and for tests alike.
//
// It owns finding or installing programs (a server's, or a tool that a check runs), starting servers, waiting until they speak
// their protocol, disturbing them on demand, and leaving nothing behind: a server ends with the process that started it,
// however that process ends. It owns nothing that happens inside a server after it has started; callers make their own
// roles and databases.
//
// It needs a Unix system; that a server ends with its starter is promised on Linux only, which alone can tell a child
// that its parent has died.
package localpeer
