// Package scim is the surface at which identity providers write who there is: users and groups by SCIM 2.0 (RFC 7643 and
// RFC 7644), for one or several sources, each with a token of its own.
//
// It owns the protocol, the resources in the store (store.Provisioned and its neighbours), and what of a user becomes the
// account that is told to the directory. It does not own what a document means by itself (package resource), nor profiles,
// sessions and what ends with somebody who has left: that is the Registrar's, in the transaction of the write.
//
// A change of a group concerns all of its members, who may be thousands. Its transaction writes the memberships and puts
// those whom it concerns into a queue (store.StaleUsers), and tells of the first of them; Run tells of the others. Whoever
// may have lost a group comes first, and a crash forgets nobody.
package scim
