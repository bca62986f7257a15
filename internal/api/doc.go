// Package api is the HTTP API of Curfew, version 1.
//
// It owns the routes (routes.go is the table of them), the JSON forms, the authentication of a call by its bearer
// token, the bounds of what a call may carry, and the form of errors: RFC 9457 problem documents that never repeat what
// was sent. It owns no rule: each call is parsed once and handed to the engine, which says who may see and do what.
//
// Package api/client is the client of it, generated from the OpenAPI document that Document returns.
package api
