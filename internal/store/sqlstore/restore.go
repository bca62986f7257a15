package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// restoringTable has a row from before the first row of the books is copied into a store until the last one is committed.
const restoringTable = "restoring"

// Installation is the identifier of the store that the backup is of.
func (b *Backup) Installation(ctx context.Context) (id string, err error) {
	err = b.QueryRowContext(ctx, `SELECT id FROM installation`).Scan(&id)
	return id, err
}

// Keys finds the generations of each tenant's wrapped keys, oldest first.
func (b *Backup) Keys(ctx context.Context) (map[access.TenantID][]store.Key, error) {
	lines, err := readAll(ctx, b, scanKey, `SELECT `+keyColumns+` FROM tenant_keys ORDER BY tenant, generation`)
	if err != nil {
		return nil, badBackup(b.path, err)
	}
	keys := map[access.TenantID][]store.Key{}
	for _, k := range lines {
		keys[k.Tenant] = append(keys[k.Tenant], k)
	}
	return keys, nil
}

// Newest finds the tenant's numbered event with the highest position, without its personal values; the zero one when there
// is none.
func (b *Backup) Newest(ctx context.Context, tenant access.TenantID) (store.EventRow, error) {
	lines, err := readAll(ctx, b, scanEventLine, newestEventOfTenant, tenant)
	if err != nil || len(lines) == 0 {
		return store.EventRow{}, err
	}
	return lines[0].event, nil
}

// RestoreSQLite makes a store of the backup in the file at path, where there is none or an empty one, together with what
// is to be noted of the restore. The file is this process's alone meanwhile. Until all of it is committed no process opens
// the store, and the restore may be done again.
func (b *Backup) RestoreSQLite(ctx context.Context, path string, note store.Restore, told Copied) (err error) {
	d, err := sqliteDialect()
	if err != nil {
		return err
	}
	file, err := openSQLiteFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	db, err := sql.Open("sqlite", sqliteURL(file.path))
	if err != nil {
		return damaged(file.path, err)
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	target := restoreTarget{db: db, dialect: d, name: fmt.Sprintf("the store %q", file.path),
		cannotOpen: func(err error) error { return damaged(file.path, err) }}
	if err := target.mustBeEmpty(ctx); err != nil {
		return err
	}
	if err := markSQLite(ctx, db); err != nil {
		return damaged(file.path, err)
	}
	return b.restore(ctx, target, note, told)
}

// RestorePostgres makes a store of the backup in an empty schema of a PostgreSQL database, as RestoreSQLite does in a
// file. Nodes that start meanwhile wait.
func (b *Backup) RestorePostgres(ctx context.Context, dsn string, note store.Restore, told Copied) error {
	d, err := postgresDialect()
	if err != nil {
		return err
	}
	config, err := postgresConfig(dsn)
	if err != nil {
		return err
	}
	conn := config.ConnConfig.Copy()
	unbounded(conn.RuntimeParams)
	return lockedForMigration(ctx, conn, func(db *sql.DB) error {
		target := restoreTarget{db: db, dialect: d, name: postgresName, cannotOpen: cannotOpenPostgres}
		if err := target.mustBeEmpty(ctx); err != nil {
			return err
		}
		return b.restore(ctx, target, note, told)
	})
}

// restoreTarget is where a backup is restored to.
type restoreTarget struct {
	db         *sql.DB
	dialect    dialect
	name       string
	cannotOpen func(error) error
}

// mustBeEmpty refuses a store in which anything is but its own name. It changes nothing.
func (t restoreTarget) mustBeEmpty(ctx context.Context) error {
	tables, err := t.dialect.dictionary.bookTables(ctx, t.db)
	if err != nil {
		return t.cannotOpen(err)
	}
	for _, table := range tables {
		if table.name == "installation" {
			continue
		}
		var there bool
		if err := t.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+quoted(table.name)+`)`).Scan(&there); err != nil {
			return t.cannotOpen(err)
		}
		if there {
			return access.Errorf(access.KindMisconfigured,
				"%s is not empty (there is something in the table %s): a backup is restored into an empty one, so move the file away, or name another file or schema in the configuration", t.name, table.name)
		}
	}
	return nil
}

// restore marks the store as one that is not to be opened, and takes the mark away in the transaction that fills it.
func (b *Backup) restore(ctx context.Context, t restoreTarget, note store.Restore, told Copied) (err error) {
	from, release, err := b.current(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := migrate(ctx, t.db, &t.dialect, t.name, t.cannotOpen); err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, `INSERT INTO `+restoringTable+` (singleton, begun_at) VALUES (1, $1) ON CONFLICT DO NOTHING`, access.Micros(note.At))
	if err != nil {
		return t.cannotOpen(err)
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return t.cannotOpen(err)
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	if _, err := copyBooks(ctx, from, tx, t.dialect.dictionary, told); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertRestore, restoreValues(note)...); err != nil {
		return t.cannotOpen(err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM `+restoringTable); err != nil {
		return t.cannotOpen(err)
	}
	return tx.Commit()
}

// current is the backup with the schema of this program: itself, or a copy of it that has been migrated.
func (b *Backup) current(ctx context.Context) (from *snapshot, release func() error, err error) {
	had, err := schemaVersion(ctx, b)
	if err != nil {
		return nil, nil, badBackup(b.path, err)
	}
	newest, err := b.dialect.newestVersion()
	if err != nil || had == newest {
		return &b.snapshot, func() error { return nil }, err
	}
	folder, err := os.MkdirTemp("", "curfew-restore-") // mode 0700
	if err != nil {
		return nil, nil, err
	}
	undo := func() error { return os.RemoveAll(folder) }
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	path := filepath.Join(folder, "migrated")
	if err := copyFile(b.path, path); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		return nil, nil, badBackup(b.path, err)
	}
	db.SetMaxOpenConns(1)
	undo = func() error { return errors.Join(db.Close(), os.RemoveAll(folder)) }
	s := &snapshot{db: db, dialect: b.dialect, cannotRead: b.cannotRead}
	if err := migrate(ctx, db, &s.dialect, "the backup", b.cannotRead); err != nil {
		return nil, nil, err
	}
	if s.Tx, err = db.BeginTx(ctx, nil); err != nil {
		return nil, nil, badBackup(b.path, err)
	}
	return s, func() error { return errors.Join(s.close(), os.RemoveAll(folder)) }, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// refuseUnfinished refuses a store into which a restore was begun and has not come to its end.
func refuseUnfinished(ctx context.Context, q querier, name string, cannotOpen func(error) error) error {
	begun, err := readAll(ctx, q, scanOne[int64], `SELECT begun_at FROM `+restoringTable)
	switch {
	case err != nil:
		return cannotOpen(err)
	case len(begun) > 0:
		return access.Errorf(access.KindMisconfigured,
			"a restore into %s was begun at %s and did not come to its end: run curfewd restore again", name, access.FromMicros(begun[0]).Format("2006-01-02T15:04:05Z"))
	}
	return nil
}
