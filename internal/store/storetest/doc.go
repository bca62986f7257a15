// Package storetest is the law for implementations of package store.
//
// It owns the cases that every store passes, those on concurrency first of all: lost races, claims, shared commits,
// snapshots. It owns no store, and no case about how one is opened or about its files.
package storetest
