// Package mongodbatlas has the connector type "mongodb-atlas": on a cluster of MongoDB Atlas each grant has a database user of
// its own, which Atlas itself deletes when the time is up.
//
// It owns the calls of Atlas' Administration API that make, extend, end, observe and list such users. It does not own what
// roles may do, nor when to act (package engine), nor how often to try again (package connector). It never talks to the
// cluster itself.
//
// docs/connectors/mongodb-atlas.md is the page for operators.
package mongodbatlas
