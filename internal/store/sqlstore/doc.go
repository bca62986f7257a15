// Package sqlstore keeps Curfew's books in an SQL database.
//
// It owns the schema and its migrations, and the one SQL text that every database reads. What differs is a dialect, and
// how a transaction comes about: SQLite is a file with its lock, and a writer that groups concurrent transactions into
// one commit; Postgres is a server that any number of processes share, a pool of connections to it, and serialisable
// transactions that are run again when another has overtaken them. It owns no rule of who may have what, and what it
// keeps sealed it cannot open. The law that both obey is package storetest.
package sqlstore
