// Package ldap has the connector type "ldap": an account that exists in a directory becomes a member of groups, on OpenLDAP
// and its relatives and on Active Directory. Several grants may hold one membership.
//
// It owns the operations that make, end and read memberships, and what its own account must be allowed to do. It does not
// own the groups or what they open, nor when to act (package engine), nor how often to try again (package connector).
//
// Names of entries go to the server as they were configured or found; what varies inside a filter is escaped by the
// library. docs/connectors/ldap.md is the page for operators.
package ldap
