package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// sqliteReaders is the number of views that run at the same time. More do not read faster, and each keeps a page
// cache of about 2 MB.
const sqliteReaders = 4

// checkedAtOpen is the size in bytes of the largest file that is checked as a whole before it is opened. It takes a
// second for each gigabyte or so; a larger one is checked beside the work (Check).
const checkedAtOpen = 64 << 20

// OpenSQLite opens the store in the file at path, and makes it where there is none. The file is this process's alone
// until Close. The error is access.KindMisconfigured when an operator must act: a folder or a file with the wrong
// permissions, a file that is not a store of Curfew's, is damaged, or was written by a newer version; it is
// access.KindUnavailable when another process has the store open.
func OpenSQLite(ctx context.Context, path string, options Options) (_ *SQLite, err error) {
	d, err := sqliteDialect()
	if err != nil {
		return nil, err
	}
	if options.Clock == nil {
		options.Clock = access.SystemClock{}
	}
	file, err := openSQLiteFile(path)
	if err != nil {
		return nil, err
	}
	return openSQLiteAs(ctx, d, file, options, func(db *sql.DB) error { return prepareSQLite(ctx, db, &d, file.path) })
}

// OpenSQLiteBeside opens the store in the file at path beside the process that has it open, for a few short transactions:
// each of them holds up that process's, and an operator's hand may stop this one in the middle. The tables must be there
// as this program knows them. The file's ballast is none of its business.
func OpenSQLiteBeside(ctx context.Context, path string, options Options) (*SQLite, error) {
	d, err := sqliteDialect()
	if err != nil {
		return nil, err
	}
	if options.Clock == nil {
		options.Clock = access.SystemClock{}
	}
	file, err := openSQLiteFileBeside(path)
	if err != nil {
		return nil, err
	}
	options.Ballast = Ballast{}
	return openSQLiteAs(ctx, d, file, options, func(db *sql.DB) error { return checkCurrent(ctx, db, d, file.path) })
}

// checkCurrent refuses a store with other tables than this program's.
func checkCurrent(ctx context.Context, db *sql.DB, d dialect, path string) error {
	cannotRead := func(err error) error { return damaged(path, err) }
	current, err := schemaVersion(ctx, db)
	if err != nil {
		return cannotRead(err)
	}
	if err := d.mustBeNewest(current); err != nil {
		return err
	}
	return refuseUnfinished(ctx, db, fmt.Sprintf("the store %q", path), cannotRead)
}

// openSQLiteAs opens a file that prepare makes a store, or finds to be one.
func openSQLiteAs(ctx context.Context, d dialect, file *sqliteFile, options Options, prepare func(*sql.DB) error) (_ *SQLite, err error) {
	release := file.close
	defer func() {
		if err != nil {
			err = errors.Join(err, release())
		}
	}()
	writeDB, err := sql.Open("sqlite", sqliteURL(file.path))
	if err != nil {
		return nil, damaged(file.path, err)
	}
	writeDB.SetMaxOpenConns(1)
	release = func() error { return errors.Join(writeDB.Close(), file.close()) }
	if err := prepare(writeDB); err != nil {
		return nil, err
	}
	floor, err := newestEvent(ctx, writeDB)
	if err != nil {
		return nil, damaged(file.path, err)
	}

	readDB, err := sql.Open("sqlite", sqliteURL(file.path, "query_only(1)"))
	if err != nil {
		return nil, damaged(file.path, err)
	}
	// The write connection is closed last: with it the log is folded into the file.
	release = func() error { return errors.Join(readDB.Close(), writeDB.Close(), file.close()) }
	w := &writer{
		clock: newClock(options.Clock, floor), ballast: openBallast(file.path, options), numbers: options.NumberEvents, synced: file.synced, turn: file.turn,
		scrub: scrub{path: file.path, due: true}, // a process that was killed may have left what was erased in its log
	}
	s, err := startSQLite(ctx, d, writeDB, readDB, w, release)
	if err != nil {
		return nil, err
	}
	s.background = options.Background
	s.check = func(ctx context.Context) error { return quickCheck(ctx, readDB, file.path) }
	return s, nil
}

// startSQLite makes the connections and starts the writer.
func startSQLite(ctx context.Context, d dialect, writeDB, readDB *sql.DB, w *writer, release func() error) (*SQLite, error) {
	s := &SQLite{
		dialect: d, clock: w.clock, writer: w, readers: make(chan *sqliteSession, sqliteReaders), closing: make(chan struct{}),
	}
	sessions := make([]*sqliteSession, 0, 1+sqliteReaders)
	s.release = func() error {
		var errs []error
		for _, session := range sessions {
			errs = append(errs, session.close())
		}
		return errors.Join(append(errs, release())...)
	}
	for range sqliteReaders {
		reader, err := newSQLiteSession(ctx, readDB)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, reader)
		s.readers <- reader
	}
	writing, err := newSQLiteSession(ctx, writeDB)
	if err != nil {
		return nil, err
	}
	sessions = append(sessions, writing)
	w.dialect, w.session = &s.dialect, writing
	w.start()
	return s, nil
}

// sqliteURL names the file and the settings of every connection to it. FULL syncs the log at every commit; the
// others turn off what SQLite keeps for old programs, and have it overwrite what is deleted.
func sqliteURL(path string, pragmas ...string) string {
	query := url.Values{
		"mode": {"rw"},
		"_dqs": {"false"},
		"_pragma": append(pragmas, "busy_timeout(5000)", "synchronous(FULL)", "temp_store(MEMORY)", "foreign_keys(1)", "trusted_schema(0)",
			"secure_delete(1)"),
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return u.String()
}

// readOnlyURL names a file that is only read.
func readOnlyURL(path string, query url.Values) string {
	query.Set("mode", "ro")
	query.Set("_dqs", "false")
	query["_pragma"] = []string{"busy_timeout(5000)", "temp_store(MEMORY)", "trusted_schema(0)"}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return u.String()
}

// prepareSQLite makes a new file a store, and brings an old one up to date.
func prepareSQLite(ctx context.Context, db *sql.DB, d *dialect, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return damaged(path, err)
	}
	if info.Size() <= checkedAtOpen {
		if err := quickCheck(ctx, db, path); err != nil {
			return err
		}
	}
	if err := markSQLite(ctx, db); err != nil {
		return damaged(path, err)
	}
	name, cannotOpen := fmt.Sprintf("the store %q", path), func(err error) error { return damaged(path, err) }
	if err := migrate(ctx, db, d, name, cannotOpen); err != nil {
		return err
	}
	return refuseUnfinished(ctx, db, name, cannotOpen)
}

// quickCheck reads the whole file and holds it against the rules of its format.
func quickCheck(ctx context.Context, db *sql.DB, path string) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return damaged(path, err)
	}
	if verdict != "ok" {
		return damaged(path, errors.New(verdict))
	}
	return nil
}

// markSQLite writes the mark into a new file before the change to a write-ahead log, so that it stands in the file
// itself, where checkHeader reads it, however early the process is killed.
func markSQLite(ctx context.Context, db *sql.DB) error {
	var id applicationID
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id != storeID {
		_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", storeID))
		if err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}

// newestEvent is the time of the event written last, zero when there is none.
func newestEvent(ctx context.Context, db *sql.DB) (at time.Time, err error) {
	err = db.QueryRowContext(ctx, `SELECT at FROM events ORDER BY rowid DESC LIMIT 1`).Scan(timeColumn{&at})
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at, err
}

func damaged(path string, err error) error {
	kind, message := classifySQLite(err)
	if kind == access.KindInternal || kind == access.KindInvalid {
		kind, message = access.KindMisconfigured, "The file is damaged or not readable: restore it from a backup."
	}
	return access.Wrap(kind, err, fmt.Sprintf("the store %q cannot be opened. %s", filepath.Clean(path), message))
}
