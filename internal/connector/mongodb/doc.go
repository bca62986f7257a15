// Package mongodb has the connector type "mongodb": on a replica set of MongoDB each grant has a user of its own, with the roles
// that the permission names.
//
// It owns the commands that make, end, observe and list such users, and what its own account must be allowed to do. It does not
// own the roles or what they may do, nor when to act (package engine), nor how often to try again (package connector).
//
// Commands are BSON documents, in which what varies is a value and never a part of the command. docs/connectors/mongodb.md is
// the page for operators.
package mongodb
