// Package webhook posts to a URL: checkpoints as a witness, entries as a stream.
//
// It owns the form of the requests and how they are signed. It does not own which addresses may be called (package outbound),
// nor when something is sent (package delivery).
package webhook
