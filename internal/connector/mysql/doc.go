// Package mysql has the connector type "mysql": each grant has an account of its own on a MariaDB or MySQL server, with a
// role or with privileges on the database that was asked for.
//
// It owns the calls that make, read and drop such accounts, the hashes of passwords, what a permission may hold, and what
// Curfew's own account must be allowed to do. It does not own the roles, nor when to act (package engine), nor how often to
// try again (package connector).
//
// What changes an account stands in procedures at the server, which belong to an account that nobody can log in to: whoever
// may CREATE USER may also change root's password, and Curfew's own account may not. Every text that this package sends is
// constant; what varies goes as a parameter and is quoted there. docs/connectors/mysql.md is the page for operators; its
// statements are the ones that the tests run.
package mysql
