// Package telemetry tells operators how Curfew does: metrics for Prometheus, traces for OpenTelemetry, and the trace in
// every log line.
//
// It owns the names and the meaning of metrics and spans (docs/operations.md lists them), and that none of them holds a
// person, a reason, an entitlement or a secret: labels take a bounded set of values only. It watches from outside: it
// wraps the store and the HTTP handler, is the Observer of connectors and of the engine, and reads the store when it is
// scraped. It owns no fact: what it counts is lost with the process, and the books are the truth.
package telemetry
