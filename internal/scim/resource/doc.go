// Package resource knows what SCIM resources are (RFC 7643) and how they are searched and changed (RFC 7644, sections 3.4.2
// and 3.5.2): schemas, documents, filters, paths and patches.
//
// It owns what of a document is kept and in which form, the syntax and meaning of filters and paths, and the detail errors
// of the protocol. It is pure: it knows neither HTTP nor a store (package scim), and decides nothing about people.
//
// What clients really send is taken where its meaning is plain: attribute names and operations in any case, "True" for
// true, one value for a list of one, a text for a complex attribute that has a value.
package resource
