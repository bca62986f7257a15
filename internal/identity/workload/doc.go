// Package workload judges the tokens that platforms give to what runs on them: jobs of GitHub Actions, pods of Kubernetes, and
// whatever else shows a signed token of an issuer that publishes its keys (RFC 7519, RFC 7517).
//
// It owns the rules of trust, which of them are too wide to be kept, the issuers' keys, and whether a token is believed. It does
// not own what somebody who is believed gets: sessions are package directory's, and the protocol is package oauth's. It keeps
// nothing but keys.
package workload
