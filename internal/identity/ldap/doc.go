// Package ldap reads who is in an LDAP directory: OpenLDAP and its relatives, and Active Directory.
//
// It owns the searches, what of an entry is what of somebody, who is disabled, and which groups somebody is in by way of others. It
// does not own when to read, nor what follows from what was read (package directory), and signs nobody in: a password is an
// identity provider's business.
//
// A read counts only as a whole. Whatever cuts one short, be it a limit of the server or a referral in place of an answer, is an
// error. What varies inside a filter is escaped by the library.
package ldap
