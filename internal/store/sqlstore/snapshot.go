package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
)

// snapshot is a store as it is at one moment, beside whoever has it open. Nothing is written, and nobody waits for it.
type snapshot struct {
	*sql.Tx
	db         *sql.DB
	dialect    dialect
	cannotRead func(error) error
}

// close gives the snapshot back.
func (s *snapshot) close() error { return errors.Join(ignoreDone(s.Rollback()), s.db.Close()) }

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil // the end of its context has ended it
	}
	return err
}

// snapshotSQLite reads the file of a store beside the process that holds it. The lock beside the file, by which one
// process at a time writes, is not taken: in its write-ahead log SQLite itself keeps readers and the writer apart, and
// the connection is one that cannot write. The log grows while the snapshot lasts, and is folded in afterwards.
func snapshotSQLite(ctx context.Context, path string) (*snapshot, error) {
	d, err := sqliteDialect()
	if err != nil {
		return nil, err
	}
	path, err = resolve(path)
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, storeID); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", readOnlyURL(path, url.Values{}))
	if err != nil {
		return nil, damaged(path, err)
	}
	return beginSnapshot(ctx, &snapshot{
		db: db, dialect: d, cannotRead: func(err error) error { return damaged(path, err) },
	}, nil)
}

// snapshotPostgres reads the store in a database that any number of nodes use.
func snapshotPostgres(ctx context.Context, dsn string) (*snapshot, error) {
	d, err := postgresDialect()
	if err != nil {
		return nil, err
	}
	config, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	conn := config.ConnConfig
	unbounded(conn.RuntimeParams)
	return beginSnapshot(ctx, &snapshot{
		db: stdlib.OpenDB(*conn, stdlib.OptionAfterConnect(checkServer)), dialect: d, cannotRead: cannotOpenPostgres,
	}, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

// unbounded lifts the bounds of a session for one that moves the whole books: reading a table takes what it takes, and
// from beginning to end is the way to read all of it.
func unbounded(settings map[string]string) {
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		settings[limit] = "0"
	}
	settings["enable_seqscan"] = "on"
}

// beginSnapshot begins the transaction and refuses a schema that is not this program's.
func beginSnapshot(ctx context.Context, s *snapshot, options *sql.TxOptions) (_ *snapshot, err error) {
	s.db.SetMaxOpenConns(1)
	if s.Tx, err = s.db.BeginTx(ctx, options); err != nil {
		return nil, errors.Join(s.cannotRead(err), s.db.Close())
	}
	err = s.checkVersion(ctx)
	if err == nil {
		err = refuseUnfinished(ctx, s.Tx, "this store", s.cannotRead)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// checkVersion demands the schema of this program, since a copy between two databases must mean the same in both.
func (s *snapshot) checkVersion(ctx context.Context) error {
	current, err := schemaVersion(ctx, s.Tx)
	if err != nil {
		return s.cannotRead(err)
	}
	return s.dialect.mustBeNewest(current)
}

// mustBeNewest refuses a schema that is not this program's.
func (d dialect) mustBeNewest(current int64) error {
	newest, err := d.newestVersion()
	if err == nil && current != newest {
		err = access.Errorf(access.KindMisconfigured, "the store has schema %d, and this program's is %d: use the curfewd that serves it", current, newest)
	}
	return err
}

// schemaVersion is the newest migration that a database has seen.
func schemaVersion(ctx context.Context, q querier) (int64, error) {
	versions, err := readAll(ctx, q, scanOne[int64], `SELECT coalesce(max(version_id), 0) FROM goose_db_version`)
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// newestVersion is the newest migration that this program knows.
func (d dialect) newestVersion() (newest int64, err error) {
	entries, err := fs.ReadDir(d.migrations, ".")
	if err != nil {
		return 0, fmt.Errorf("embedded migrations: %w", err)
	}
	for _, e := range entries {
		version, err := goose.NumericComponent(path.Base(e.Name()))
		if err != nil {
			return 0, fmt.Errorf("embedded migrations: %w", err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}
