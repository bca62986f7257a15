// Package sqlstore keeps Curfew's books in an SQL database.
//
// It owns the schema and its migrations, the one SQL text that every database reads, and for SQLite the file with its
// lock and the writer that groups concurrent transactions into one commit. What differs between databases is a
// dialect, in one file each. It owns no rule of who may have what, and what it keeps sealed it cannot open. The law
// that it obeys is package storetest.
package sqlstore
