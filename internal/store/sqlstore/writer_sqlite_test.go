package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func put(digest string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.Policies().Put("acme", digest, []byte("text")) }
}

// has reports whether put(digest) was committed.
func has(t testing.TB, s store.Store, digest string) bool {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		_, err := tx.Policies().Get("acme", digest)
		return err
	})
	if err != nil && access.KindOf(err) != access.KindNotFound {
		t.Fatal(err)
	}
	return err == nil
}

// hold keeps the writer busy until release is called, and returns when it is.
func hold(t testing.TB, s *SQLite) (release func()) {
	t.Helper()
	busy, done := make(chan struct{}), make(chan struct{})
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(context.Background(), "hold", func(store.Tx) error {
			close(busy)
			<-done
			return nil
		})
	}()
	<-busy
	return func() {
		close(done)
		if err := <-answer; err != nil {
			t.Errorf("hold: %v", err)
		}
	}
}

// awaitQueue returns when n members wait.
func awaitQueue(s *SQLite, n int) {
	for len(s.writer.queue.urgent) != n {
		runtime.Gosched()
	}
}

func TestGroupCommit(t *testing.T) {
	s, _ := openRaw(t)
	before := s.Stats()
	release := hold(t, s)
	const n = 64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := s.Update(context.Background(), "put", put(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	awaitQueue(s, n)
	release()
	wg.Wait()
	after := s.Stats()
	if got := after.Commits - before.Commits; got != 2 {
		t.Errorf("%d commits for %d transactions; want 2: the one that held the writer, and all that waited", got, n+1)
	}
	if got := after.Transactions - before.Transactions; got != n+1 {
		t.Errorf("%d transactions; want %d", got, n+1)
	}
	for i := range n {
		if !has(t, s, fmt.Sprint(i)) {
			t.Errorf("transaction %d was answered and is not there", i)
		}
	}
}

func TestGroupIsBounded(t *testing.T) {
	s, _ := openRaw(t)
	release := hold(t, s)
	var wg sync.WaitGroup
	for range queueLength {
		wg.Go(func() {
			if err := s.Update(context.Background(), "put", put("x")); err != nil {
				t.Error(err)
			}
		})
	}
	awaitQueue(s, queueLength)

	// There is no place left; whoever comes now waits for one as long as their context lasts.
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- s.Update(ctx, "late", put("late")) }()
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("without a place in the queue: %v", err)
	}
	before := s.Stats()
	release()
	wg.Wait()
	if got, want := s.Stats().Commits-before.Commits, int64(1+queueLength/maxBatch); got != want {
		t.Errorf("%d commits; want %d of at most %d members each", got, want, maxBatch)
	}
	if has(t, s, "late") {
		t.Error("the transaction that got no place was written")
	}
}

func TestCancelWhileQueued(t *testing.T) {
	s, _ := openRaw(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- s.Update(ctx, "withdrawn", put("withdrawn")) }()
	awaitQueue(s, 1)
	cancel()
	err := <-answer
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("got %v, want that nothing was written", err)
	}
	release()
	if err := s.Update(t.Context(), "after", put("after")); err != nil {
		t.Fatal(err)
	}
	if has(t, s, "withdrawn") {
		t.Error("the transaction was written after its caller was told that it was not")
	}
}

func TestCancelAfterBegin(t *testing.T) {
	s, _ := openRaw(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(ctx, "begun", func(tx store.Tx) error {
			close(begun)
			<-goOn
			return put("begun")(tx)
		})
	}()
	<-begun
	cancel()
	err := <-answer
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("got %v, want that the outcome is unknown", err)
	}
	close(goOn)
	if err := s.Update(t.Context(), "after", put("after")); err != nil {
		t.Fatal(err)
	}
	if !has(t, s, "begun") {
		t.Error("the caller's context stopped the transaction, not only the waiting")
	}
}

// TestCommitFails makes one member spoil the commit of all: a foreign key that is checked at the end only.
func TestCommitFails(t *testing.T) {
	s, _ := openRaw(t)
	spoil := func(tx store.Tx) error {
		if _, err := s.writer.session.exec("PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		return errors.Join(tx.Keys().Insert(firstKey("acme")), tx.Plans().Put("acme", "gr_none", sealed([]byte("plan"))))
	}
	release := hold(t, s)
	const n = 10
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if i == n/2 {
				if err := s.Update(context.Background(), "spoil", spoil); access.KindOf(err) != access.KindNotFound {
					t.Errorf("the guilty one: got %v, want the kind %q", err, access.KindNotFound)
				}
				return
			}
			if err := s.Update(context.Background(), "put", put(fmt.Sprint(i))); err != nil {
				t.Errorf("transaction %d suffers from another: %v", i, err)
			}
		})
	}
	awaitQueue(s, n)
	release()
	wg.Wait()
	if got := s.Stats().Replays; got != n {
		t.Errorf("%d replays; want all %d members once", got, n)
	}
	for i := range n {
		if there := has(t, s, fmt.Sprint(i)); there != (i != n/2) {
			t.Errorf("transaction %d: there is %t", i, there)
		}
	}
}

// TestDiskFull lets the file grow by a few pages only.
func TestDiskFull(t *testing.T) {
	s, _ := openRaw(t)
	limit := func(text string) {
		t.Helper()
		err := s.Update(t.Context(), "limit", func(store.Tx) error {
			rows, err := s.writer.session.query(text)
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return errors.Join(rows.Err(), rows.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("PRAGMA max_page_count = 60")
	big := make([]byte, 1<<20)
	overlook := func(tx store.Tx) error {
		if err := tx.Policies().Put("acme", "big", big); err == nil {
			t.Error("a megabyte fits on a full disk")
		}
		// The database has rolled back; what comes now must not be written on its own.
		_ = tx.Policies().Put("acme", "small", []byte("text"))
		return nil
	}
	release := hold(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(context.Background(), "overlook", overlook)
		if access.KindOf(err) != access.KindUnavailable || !strings.Contains(access.SafeMessage(err), "disk is full") {
			t.Errorf("got %v, want a full disk", err)
		}
	})
	awaitQueue(s, 1)
	wg.Go(func() {
		if err := s.Update(context.Background(), "neighbour", put("neighbour")); err != nil {
			t.Errorf("a neighbour that needs no room: %v", err)
		}
	})
	awaitQueue(s, 2)
	release()
	wg.Wait()
	if has(t, s, "small") || !has(t, s, "neighbour") {
		t.Error("the failed transaction was written in part, or its neighbour was not")
	}
	limit("PRAGMA max_page_count = 100000")
	err := s.Update(t.Context(), "again", func(tx store.Tx) error { return tx.Policies().Put("acme", "big", big) })
	if err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

func TestReadOnlyFile(t *testing.T) {
	s, _ := openRaw(t)
	if err := s.Update(t.Context(), "pragma", func(store.Tx) error {
		_, err := s.writer.session.exec("PRAGMA query_only = 1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), "put", put("x")); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("got %v, want the kind %s", err, access.KindUnavailable)
	}
}

// TestSettings reads what the connections really have.
func TestSettings(t *testing.T) {
	s, _ := openRaw(t)
	read := func(session *sqliteSession, name string) (v string) {
		t.Helper()
		rows, err := session.query("PRAGMA " + name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
		}
		return v
	}
	reader := <-s.readers
	defer func() { s.readers <- reader }()
	for name, want := range map[string][2]string{
		"journal_mode": {"wal", "wal"}, "synchronous": {"2", "2"}, "foreign_keys": {"1", "1"},
		"busy_timeout": {"5000", "5000"}, "query_only": {"0", "1"}, "trusted_schema": {"0", "0"},
	} {
		if w, r := read(s.writer.session, name), read(reader, name); w != want[0] || r != want[1] {
			t.Errorf("%s is %s for the writer and %s for readers; want %s and %s", name, w, r, want[0], want[1])
		}
	}
}

func TestCloseWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Update(context.Background(), "queued", put("queued")); err != nil {
			t.Errorf("what was queued before Close: %v", err)
		}
	})
	awaitQueue(s, 1)
	for range 3 {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	<-s.closing
	release()
	wg.Wait()
	if s, err = OpenSQLite(t.Context(), path, Options{}); err != nil {
		t.Fatalf("Close has returned, and the store cannot be opened: %v", err)
	}
	if !has(t, s, "queued") {
		t.Error("what was answered before Close is not there")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// One member fails after it has written, and one before: neither leaves a trace, and the others share their commit all
// the same.
func TestFailuresInAGroup(t *testing.T) {
	s, _ := openRaw(t)
	before := s.Stats()
	release := hold(t, s)
	const n = 16
	failed := errors.New("changed my mind")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := s.Update(context.Background(), "put", func(tx store.Tx) error {
				if i == 3 {
					return failed
				}
				if err := put(fmt.Sprint(i))(tx); err != nil || i != 7 {
					return err
				}
				return failed
			})
			if want := i == 3 || i == 7; errors.Is(err, failed) != want {
				t.Errorf("member %d is told %v", i, err)
			}
		})
	}
	awaitQueue(s, n)
	release()
	wg.Wait()
	after := s.Stats()
	if commits, replays := after.Commits-before.Commits, after.Replays-before.Replays; commits != 2 || replays != 0 {
		t.Errorf("%d commits and %d replays; want 2 and none", commits, replays)
	}
	for i := range n {
		if got, want := has(t, s, fmt.Sprint(i)), i != 3 && i != 7; got != want {
			t.Errorf("what member %d wrote is there: %t, want %t", i, got, want)
		}
	}
}

// A disk that answers with success and keeps nothing is not believed: everybody in the commit is told so, and none is
// carried out a second time.
func TestCommitThatMayNotBeKept(t *testing.T) {
	s, _ := openRaw(t)
	release := hold(t, s)
	var held atomic.Bool // the commit that holds the writer is kept
	s.writer.synced = func() error {
		if held.CompareAndSwap(false, true) {
			return nil
		}
		return outcomeUnknown(access.KindUnavailable, errReadOnlyDisk)
	}
	var ran atomic.Int64
	answers := make(chan error, 3)
	for i := range cap(answers) {
		go func() {
			answers <- s.Update(context.Background(), "put", func(tx store.Tx) error {
				ran.Add(1)
				return put(fmt.Sprint(i))(tx)
			})
		}()
	}
	awaitQueue(s, cap(answers))
	release()
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, store.ErrOutcomeUnknown) || access.KindOf(err) != access.KindUnavailable {
			t.Errorf("got %v, want that the outcome is unknown", err)
		}
	}
	if n := ran.Load(); n != int64(cap(answers)) {
		t.Errorf("%d transactions ran %d times", cap(answers), n)
	}
}
