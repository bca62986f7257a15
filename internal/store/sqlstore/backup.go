package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// backupFormat is the version of what stands in a backup beside the tables of the books.
	backupFormat = 1
	// backupTable says what the file is, backupTables what is in each table.
	backupTable  = "backup"
	backupTables = "backup_tables"
)

// BackupSQLite writes the books of the store in the file at path to a new file, as they are at one moment, beside the
// process that has the store open.
func BackupSQLite(ctx context.Context, path, to string, told Copied) error {
	s, err := snapshotSQLite(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(backUp(ctx, s, to, told), s.close())
}

// BackupPostgres writes the books of the store in a PostgreSQL database to a new file, as they are at one moment, beside
// the nodes that use it. The file is an SQLite database of the same form as one of BackupSQLite.
func BackupPostgres(ctx context.Context, dsn, to string, told Copied) error {
	s, err := snapshotPostgres(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(backUp(ctx, s, to, told), s.close())
}

// backUp writes under a temporary name, reads back what it wrote, and only then gives it its name. What is there already
// is not overwritten: it may be the only backup that is good.
func backUp(ctx context.Context, s *snapshot, to string, told Copied) (err error) {
	if to, err = filepath.Abs(to); err != nil {
		return err
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return access.Errorf(access.KindMisconfigured, "%q is there already, and backups do not overwrite: name another file", to)
	}
	partial, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.partial") // mode 0600
	if err != nil {
		return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("the folder %q cannot be written", filepath.Dir(to)))
	}
	defer func() {
		err = errors.Join(err, removeIfThere(partial.Name()), removeIfThere(partial.Name()+"-journal"))
	}()
	if err := errors.Join(partial.Close(), writeBackup(ctx, s, partial.Name(), told)); err != nil {
		return err
	}
	b, err := OpenBackup(ctx, partial.Name())
	if err != nil {
		return fmt.Errorf("reading back what was written: %w", err)
	}
	if err := b.Close(); err != nil {
		return err
	}
	return publish(partial.Name(), to)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// publish makes a file durable, and then visible under its name.
func publish(partial, to string) error {
	file, err := os.Open(partial)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close(), os.Rename(partial, to)); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// writeBackup makes the tables in an empty file and fills them.
func writeBackup(ctx context.Context, s *snapshot, path string, told Copied) (err error) {
	d, err := sqliteDialect()
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", backupID)); err != nil {
		return err
	}
	if err := migrate(ctx, db, &d, "the backup", func(err error) error { return err }); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	if err := fillBackup(ctx, s, tx, told); err != nil {
		return err
	}
	return tx.Commit()
}

// backupSchema is what a backup has beside the books.
const backupSchema = `
	CREATE TABLE ` + backupTable + ` (
		singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
		format    INTEGER NOT NULL,
		taken_at  INTEGER NOT NULL
	) STRICT;
	CREATE TABLE ` + backupTables + ` (
		name   TEXT    NOT NULL PRIMARY KEY,
		rows   INTEGER NOT NULL,
		sha256 BLOB    NOT NULL
	) STRICT`

func fillBackup(ctx context.Context, s *snapshot, tx *sql.Tx, told Copied) error {
	if _, err := tx.ExecContext(ctx, backupSchema); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+backupTable+` (singleton, format, taken_at) VALUES (1, $1, $2)`,
		backupFormat, access.Micros(time.Now()))
	if err != nil {
		return err
	}
	copied, err := copyBooks(ctx, s, tx, sqliteDictionary(), told)
	if err != nil {
		return err
	}
	for name, c := range copied {
		_, err := tx.ExecContext(ctx, `INSERT INTO `+backupTables+` (name, rows, sha256) VALUES ($1, $2, $3)`, name, c.rows, c.sha256)
		if err != nil {
			return err
		}
	}
	return nil
}

// copyBooks copies every table into a database that has the tables, and nothing in them but its own name.
func copyBooks(ctx context.Context, from *snapshot, to *sql.Tx, target dictionary, told Copied) (map[string]contents, error) {
	sources, err := from.dialect.dictionary.bookTables(ctx, from)
	if err != nil {
		return nil, from.cannotRead(err)
	}
	targets, err := target.bookTables(ctx, to)
	if err != nil {
		return nil, err
	}
	named := map[string]table{}
	for _, t := range targets {
		named[t.name] = t
	}
	if len(sources) != len(targets) {
		return nil, fmt.Errorf("there are %d tables to copy, and %d to copy to", len(sources), len(targets))
	}
	if _, err := to.ExecContext(ctx, `DELETE FROM installation`); err != nil {
		return nil, err
	}
	copied := map[string]contents{}
	c := transfer{from: from, to: to, told: told}
	for _, source := range sources {
		if copied[source.name], err = c.table(ctx, source, named[source.name]); err != nil {
			return nil, err
		}
	}
	return copied, nil
}

// Backup is a backup that was found to be whole.
type Backup struct {
	snapshot
	path    string
	takenAt time.Time
}

// OpenBackup checks a backup to the last value: the file, its references, and what it says of each of its tables. It
// writes nothing.
func OpenBackup(ctx context.Context, path string) (_ *Backup, err error) {
	d, err := sqliteDialect()
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := checkFile(path, backupID); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", readOnlyURL(path, url.Values{"immutable": {"1"}}))
	if err != nil {
		return nil, badBackup(path, err)
	}
	db.SetMaxOpenConns(1)
	b := &Backup{path: path, snapshot: snapshot{
		db: db, dialect: d, cannotRead: func(err error) error { return badBackup(path, err) },
	}}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := b.checkFormat(ctx); err != nil {
		return nil, err
	}
	if b.Tx, err = db.BeginTx(ctx, nil); err != nil {
		return nil, badBackup(path, err)
	}
	if err := b.checkContents(ctx); err != nil {
		return nil, badBackup(path, err)
	}
	return b, nil
}

// Close closes the file.
func (b *Backup) Close() error { return b.close() }

// TakenAt is when the backup was taken, by the clock of the machine that took it.
func (b *Backup) TakenAt() time.Time { return b.takenAt }

func badBackup(path string, err error) error {
	return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("the backup %q is damaged: take another one of those that are kept", path))
}

// checkFormat refuses what this program is too old for, and a file that SQLite finds to be damaged.
func (b *Backup) checkFormat(ctx context.Context) error {
	verdicts, err := readAll(ctx, b.db, scanOne[string], `PRAGMA integrity_check(1)`)
	if err == nil && verdicts[0] != "ok" {
		err = errors.New(verdicts[0])
	}
	if err != nil {
		return badBackup(b.path, err)
	}
	var format int64
	err = b.db.QueryRowContext(ctx, `SELECT format, taken_at FROM `+backupTable).Scan(&format, timeColumn{&b.takenAt})
	if err != nil {
		return badBackup(b.path, err)
	}
	current, err := schemaVersion(ctx, b.db)
	if err != nil {
		return badBackup(b.path, err)
	}
	newest, err := b.dialect.newestVersion()
	if err == nil && (format > backupFormat || current > newest) {
		err = access.Errorf(access.KindMisconfigured,
			"the backup %q has format %d and schema %d, and this program knows %d and %d at most: use the newer curfewd that wrote it",
			b.path, format, current, backupFormat, newest)
	}
	return err
}

// checkContents reads every value and compares each table with what was written down of it.
func (b *Backup) checkContents(ctx context.Context) error {
	broken, err := readAll(ctx, b, func(r row) (name string, err error) {
		var rest [3]any
		err = r.Scan(&name, &rest[0], &rest[1], &rest[2])
		return name, err
	}, `PRAGMA foreign_key_check`)
	if err != nil || len(broken) > 0 {
		return errors.Join(err, fmt.Errorf("%d references lead nowhere", len(broken)))
	}
	tables, err := b.dialect.dictionary.bookTables(ctx, b)
	if err != nil {
		return err
	}
	listed, err := readAll(ctx, b, scanOne[string], `SELECT name FROM `+backupTables)
	if err != nil || len(listed) != len(tables) {
		return errors.Join(err, fmt.Errorf("it has %d of the %d tables that were written", len(tables), len(listed)))
	}
	for _, t := range tables {
		var want contents
		err := b.QueryRowContext(ctx, `SELECT rows, sha256 FROM `+backupTables+` WHERE name = $1`, t.name).Scan(&want.rows, &want.sha256)
		if err != nil {
			return fmt.Errorf("what should be in the table %s: %w", t.name, err)
		}
		got, err := readTable(ctx, b, t, func([]any) error { return nil })
		if err != nil {
			return err
		}
		if got.rows != want.rows || string(got.sha256) != string(want.sha256) {
			return fmt.Errorf("the table %s has other contents than it had: %d rows, %d when it was written", t.name, got.rows, want.rows)
		}
	}
	return nil
}
