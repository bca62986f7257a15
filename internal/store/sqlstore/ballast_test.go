package sqlstore

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const testBallast = 1 << 20

// openBallasted opens a store in which transactions called "wait" can wait.
func openBallasted(t *testing.T, path string, log *bytes.Buffer) *SQLite {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path, Options{
		Log:     slog.New(slog.NewTextHandler(log, nil)),
		Ballast: Ballast{Bytes: testBallast, CanWait: func(name store.TxName) bool { return name == "wait" }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	onWriter(t, s, func() error { s.writer.ballast.pause = time.Hour; return nil })
	return s
}

// onWriter runs something where nothing else uses the writer.
func onWriter(t *testing.T, s *SQLite, do func() error) {
	t.Helper()
	if err := s.Update(t.Context(), "essential", func(store.Tx) error { return do() }); err != nil {
		t.Fatal(err)
	}
}

func pragma(s *SQLite, text string) func() error {
	return func() error {
		rows, err := s.writer.session.query(text)
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		return errors.Join(rows.Err(), rows.Close())
	}
}

// TestBallast fills the store to the brim, by SQLite's own bound of its pages.
func TestBallast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curfew.db")
	var log bytes.Buffer
	s := openBallasted(t, path, &log)
	file := path + ".ballast"
	if info, err := os.Stat(file); err != nil || info.Size() != testBallast || info.Mode().Perm() != 0o600 {
		t.Fatalf("the ballast is %v, %v", info, err)
	}
	big := make([]byte, 1<<20)
	putBig := func(tx store.Tx) error { return tx.Policies().Put("acme", "big", big) }

	onWriter(t, s, pragma(s, "PRAGMA max_page_count = 60"))
	if err := s.Update(t.Context(), "essential", putBig); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("a megabyte on a full disk: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) || !s.Stats().BallastUp || !strings.Contains(log.String(), "given up") {
		t.Errorf("after a full disk the ballast is there (%v), or nobody says that it is not:\n%s", err, &log)
	}
	ran := false
	err := s.Update(t.Context(), "wait", func(store.Tx) error { ran = true; return nil })
	if access.KindOf(err) != access.KindUnavailable || !strings.Contains(access.SafeMessage(err), "free some space") || ran {
		t.Errorf("what can wait on a full disk: %v (ran: %v)", err, ran)
	}
	if err := s.Update(t.Context(), "essential", put("small")); err != nil {
		t.Errorf("what cannot wait, and fits: %v", err)
	}

	onWriter(t, s, pragma(s, "PRAGMA max_page_count = 100000"))
	// What a try leaves unfinished is not taken for the ballast.
	draft := file + ".new"
	onWriter(t, s, func() error {
		s.writer.ballast.pause = 0
		return os.MkdirAll(filepath.Join(draft, "in the way"), 0o700)
	})
	if err := s.Update(t.Context(), "wait", putBig); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("while the ballast cannot be made: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a ballast that cannot be made is there: %v", err)
	}
	if err := os.RemoveAll(draft); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), "wait", putBig); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != testBallast || s.Stats().BallastUp || !strings.Contains(log.String(), "is back") {
		t.Errorf("after room was made the ballast is %v, %v:\n%s", info, err, &log)
	}
}

// TestBallastGivesUpOnce keeps the members of one commit together on a disk that is full for each of them.
func TestBallastGivesUpOnce(t *testing.T) {
	var log bytes.Buffer
	s := openBallasted(t, filepath.Join(t.TempDir(), "curfew.db"), &log)
	onWriter(t, s, pragma(s, "PRAGMA max_page_count = 60"))
	release := hold(t, s)
	answers := make(chan error, 2)
	for i, name := range []store.TxName{"essential", "wait"} {
		go func() {
			answers <- s.Update(t.Context(), name, func(tx store.Tx) error {
				return tx.Policies().Put("acme", string(name), make([]byte, 1<<20))
			})
		}()
		awaitQueue(s, i+1)
	}
	release()
	for range 2 {
		if err := <-answers; access.KindOf(err) != access.KindUnavailable {
			t.Errorf("on a full disk: %v", err)
		}
	}
	if n := strings.Count(log.String(), "given up"); n != 1 {
		t.Errorf("the ballast was given up %d times:\n%s", n, &log)
	}
}

// TestBallastIsKept opens a store twice, and once where the ballast cannot be.
func TestBallastIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curfew.db")
	var log bytes.Buffer
	stamp := func() time.Time {
		info, err := os.Stat(path + ".ballast")
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	if err := openBallasted(t, path, &log).Close(); err != nil {
		t.Fatal(err)
	}
	made := stamp()
	if err := os.WriteFile(path+".ballast.new", []byte("of a process that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openBallasted(t, path, &log).Close(); err != nil {
		t.Fatal(err)
	}
	if stamp() != made {
		t.Error("a ballast that is there is made again")
	}
	if _, err := os.Stat(path + ".ballast.new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed process left of a ballast is there: %v", err)
	}
	if err := errors.Join(os.Remove(path+".ballast"), os.MkdirAll(filepath.Join(path+".ballast", "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	s := openBallasted(t, path, &log)
	if !s.Stats().BallastUp || !strings.Contains(log.String(), "no room") {
		t.Errorf("a store without its ballast does not say so:\n%s", &log)
	}
	if err := s.Update(t.Context(), "wait", put("x")); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("what can wait, without a ballast: %v", err)
	}
	if err := s.Update(t.Context(), "essential", put("x")); err != nil {
		t.Errorf("what cannot wait, without a ballast: %v", err)
	}
}
