// Package redis has the connector type "redis": each grant has an ACL user of its own on one Redis 7.0 or newer.
//
// It owns the commands that make, end, observe and list such users, the rules that they may be given, and what its own
// account must be allowed to do. It does not own the data or who else may use it, nor when to act (package engine), nor how
// often to try again (package connector), nor what becomes of users when the server restarts.
//
// Every command is sent as a list of arguments; none is put together as text. docs/connectors/redis.md is the page for
// operators; its statements are the ones that the tests run.
package redis
