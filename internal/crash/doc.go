// Package crash kills curfewd: with SIGKILL, before and after each commit of the store and each call of a driver in the
// life of a grant, against a real PostgreSQL, and looks at what is left; around each commit of a change of
// the configuration; and again and again while it delivers the audit log.
//
// It owns the points and the life that passes them all. It has no code outside its tests: what it puts between the
// engine and the store, and between the engine and the driver, no program links.
package crash
