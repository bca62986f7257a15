package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew/internal/store"
)

// Reader is a store as it was when it was opened, beside whoever uses it: nobody waits for it, and it changes nothing.
type Reader struct {
	snapshot *snapshot
	at       time.Time
}

// ReadSQLite reads the file of a store.
func ReadSQLite(ctx context.Context, path string) (*Reader, error) {
	return newReader(snapshotSQLite(ctx, path))
}

// ReadPostgres reads the store in a database.
func ReadPostgres(ctx context.Context, dsn string) (*Reader, error) {
	return newReader(snapshotPostgres(ctx, dsn))
}

func newReader(s *snapshot, err error) (*Reader, error) {
	if err != nil {
		return nil, err
	}
	return &Reader{snapshot: s, at: time.Now()}, nil
}

// View is like that of a store.Store, on the one snapshot of all Views. It is called by one goroutine at a time.
func (r *Reader) View(ctx context.Context, fn func(store.Tx) error) error {
	t := &tx{dialect: &r.snapshot.dialect, session: readerSession{ctx, r.snapshot}, now: r.at, stopped: ctx.Err}
	defer t.end()
	return fn(t)
}

// Close gives the snapshot back.
func (r *Reader) Close() error { return r.snapshot.close() }

// readerSession is the transaction of a snapshot, for one View.
type readerSession struct {
	ctx      context.Context //nolint:containedctx // it lives as long as the call that was given it
	snapshot *snapshot
}

func (s readerSession) exec(string, ...any) (int64, error) {
	return 0, errors.New("a reader does not write")
}

func (s readerSession) query(text string, args ...any) (rows, error) {
	return s.snapshot.QueryContext(s.ctx, text, args...) //nolint:rowserrcheck // tx asks for it
}
