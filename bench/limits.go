package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of the store, without the store
)

// journal is a file to which records are appended durably; those that wait for the same fsync share it. It is the least
// that an accepted request can cost.
type journal struct {
	file    *os.File
	appends chan appendOrder
	stopped chan struct{}
}

type appendOrder struct {
	record []byte
	done   chan error
}

func openJournal(folder string) (*journal, error) {
	f, err := os.Create(filepath.Join(folder, "journal"))
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, appends: make(chan appendOrder, 1024), stopped: make(chan struct{})}
	go j.write()
	return j, nil
}

// write appends what has queued up, and syncs once.
func (j *journal) write() {
	defer close(j.stopped)
	for first := range j.appends {
		batch := []appendOrder{first}
		for more := true; more && len(batch) < 256; {
			select {
			case o, open := <-j.appends:
				if more = open; open {
					batch = append(batch, o)
				}
			default:
				more = false
			}
		}
		var buffer []byte
		for _, o := range batch {
			buffer = append(buffer, o.record...)
		}
		_, err := j.file.Write(buffer)
		err = errors.Join(err, j.file.Sync())
		for _, o := range batch {
			o.done <- err
		}
	}
}

// append returns when the record is on the disk.
func (j *journal) append(record []byte) error {
	o := appendOrder{record: record, done: make(chan error, 1)}
	j.appends <- o
	return <-o.done
}

func (j *journal) close() error {
	close(j.appends)
	<-j.stopped
	return j.file.Close()
}

// recordBytes is about what an audit entry weighs.
const recordBytes = 512

func measureLimits(ctx context.Context, s settings) (_ []figure, err error) {
	folder, err := os.MkdirTemp("", "curfew-bench-limits-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	var figures []figure
	for _, writers := range []int{1, 16, 64, 256} {
		rate, err := journalRate(ctx, folder, writers, s.block/2)
		if err != nil {
			return nil, err
		}
		figures = append(figures, single(fmt.Sprintf("durable append of %d B, %d writers", recordBytes, writers), "/s", rate))
	}
	for _, rows := range []int{1, 100} {
		rate, err := sqliteRate(ctx, folder, rows, s.block/2)
		if err != nil {
			return nil, err
		}
		figures = append(figures, single(fmt.Sprintf("SQLite WAL FULL, %d rows a transaction", rows), "rows/s", rate))
	}
	h, err := httpLimit(ctx, s.block/2, s.workers)
	if err != nil {
		return nil, err
	}
	return append(figures,
		single("HTTP loopback POST, 16 callers", "/s", h.rate()),
		single("its CPU, both sides", "µs", h.cost()),
	), nil
}

func journalRate(ctx context.Context, folder string, writers int, d time.Duration) (float64, error) {
	j, err := openJournal(folder)
	if err != nil {
		return 0, err
	}
	record := make([]byte, recordBytes)
	sample, err := load(ctx, writers, d, nil, func(context.Context, int) error { return j.append(record) })
	return sample.rate(), errors.Join(err, j.close())
}

func sqliteRate(ctx context.Context, folder string, rows int, d time.Duration) (_ float64, err error) {
	path := filepath.Join(folder, fmt.Sprintf("limit-%d.db", rows))
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB) STRICT"); err != nil {
		return 0, err
	}
	record := make([]byte, recordBytes)
	sample, err := load(ctx, 1, d, nil, func(ctx context.Context, _ int) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for range rows {
			if _, err := tx.ExecContext(ctx, "INSERT INTO t (b) VALUES ($1)", record); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	})
	return sample.rate() * float64(rows), err
}

// httpLimit is a server and callers in this process, with nothing behind.
func httpLimit(ctx context.Context, d time.Duration, workers int) (sample, error) {
	server, err := listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	if err != nil {
		return sample{}, err
	}
	defer server.close()
	c := newCaller(server.url, "")
	body := make([]byte, 256)
	return load(ctx, workers, d, []int{os.Getpid()}, func(ctx context.Context, _ int) error {
		return c.call(ctx, http.MethodPost, "/", body, nil)
	})
}
