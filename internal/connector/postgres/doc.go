// Package postgres has two connector types for PostgreSQL 15 and newer. With "postgres" each grant has a log-in role of its
// own, a member of the roles that the permission names; with "postgres-membership" a log-in role that exists becomes a
// member of them, which several grants may hold at once.
//
// It owns the statements that make, extend, end, observe and list such roles and memberships, the SCRAM verifiers of
// passwords, and what its own account must be allowed to do. It does not own the group roles or what they may do, nor when to act
// (package engine), nor how often to try again (package connector).
//
// Every text that this package sends is constant, or was put together by the server: what varies goes to it as a
// parameter and is quoted there, by format(%I) and format(%L). docs/connectors/postgres.md is the page for operators; its statements are the ones that the tests run.
package postgres
