package sqlstore

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/curfewhq/curfew/internal/access"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqliteDialect is SQLite, where one writer at a time makes row locks needless.
func sqliteDialect() (dialect, error) {
	migrations, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return dialect{}, fmt.Errorf("embedded migrations: %w", err)
	}
	return dialect{
		goose:        goose.DialectSQLite3,
		migrations:   migrations,
		beginUpdate:  "BEGIN IMMEDIATE",
		beginView:    "BEGIN",
		among:        " IN (SELECT value FROM json_each($2))",
		elements:     "json_each($2)",
		beginErasing: "INSERT INTO erasing (singleton) VALUES (1)",
		endErasing:   "DELETE FROM erasing",
		dictionary:   sqliteDictionary(),
		classify:     classifySQLite,
	}, nil
}

// classifySQLite reads the result code (https://sqlite.org/rescode.html): first the extended code, then the primary
// one in its low byte.
func classifySQLite(err error) (access.Kind, string) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return access.KindInternal, unforeseen
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return access.KindNotFound, "What this refers to is not there."
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return access.KindConflict, "This is there already."
	case sqlite3.SQLITE_CONSTRAINT_TRIGGER:
		return access.KindConflict, "The state of this does not allow the change; read it again."
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return access.KindInvalid, "The store refuses this value: it is missing, out of bounds or of the wrong type."
	case sqlite3.SQLITE_FULL:
		return access.KindUnavailable, "The store cannot write: its disk is full. Free some space."
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return access.KindUnavailable, "The store cannot write its file: check permissions and the mount."
	case sqlite3.SQLITE_IOERR:
		return access.KindUnavailable, "The store cannot read or write its disk."
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return access.KindUnavailable, "The store's file is damaged: restore it from a backup."
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return access.KindUnavailable, "Another program holds the store's file; try again."
	case sqlite3.SQLITE_NOMEM:
		return access.KindUnavailable, "The store is out of memory; try again."
	}
	return access.KindInternal, unforeseen
}
