package sqlstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// childVariable, when set, makes this test binary the process that is killed: it holds the path of the store, or its
// connection string.
const childVariable = "CURFEW_SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		if err := writeUntilKilled(address, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// The child stops by itself after this many rows, so that no mistake of the parent leaves it running.
const maxRows = 20_000

// writeUntilKilled commits numbered rows from 16 goroutines and reports each number after its commit was answered. A
// row has two halves, in one transaction.
func writeUntilKilled(address string, report io.Writer) error {
	s, err := openEither(address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1); n <= maxRows; n = next.Add(1) {
				if s.Update(context.Background(), "row", func(tx store.Tx) error { return putRow(tx, n) }) != nil {
					return
				}
				mu.Lock()
				_, err := fmt.Fprintln(report, n)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return s.Close()
}

func openEither(address string) (store.Store, error) {
	if strings.HasPrefix(address, "postgres://") {
		return OpenPostgres(context.Background(), address, Options{})
	}
	return OpenSQLite(context.Background(), address, Options{})
}

func half(n int64, part string) string { return fmt.Sprintf("%d-%s", n, part) }

func putRow(tx store.Tx, n int64) error {
	return errors.Join(
		tx.Policies().Put(access.DefaultTenant, half(n, "left"), []byte("text")),
		tx.Policies().Put(access.DefaultTenant, half(n, "right"), []byte("text")))
}

// TestKilled kills a process in the middle of its commits, a few times: every row that it reported is there, and no
// row is there by half.
func TestKilled(t *testing.T) {
	for range 4 {
		path := filepath.Join(t.TempDir(), "books.db")
		reported := runAndKill(t, path, 1+rand.IntN(1500), func(pid int) { wantHeld(t, path, pid) })
		wantWhole(t, openSQLite(t, path), reported)
	}
}

// testKilledBesideAnother kills one of two processes on one database. The other, this one, goes on all the time.
func testKilledBesideAnother(t *testing.T, p *peer) {
	dsn := p.empty(t)
	s := openPostgres(t, dsn)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var beside sync.WaitGroup
	written := 0
	reported := runAndKill(t, dsn, 1+rand.IntN(800), func(int) {
		beside.Go(func() {
			for ctx.Err() == nil {
				written++
				if err := s.Update(context.Background(), "beside", put(fmt.Sprint("beside ", written))); err != nil {
					t.Errorf("beside a process that dies: %v", err)
				}
			}
		})
	})
	wantWhole(t, s, reported)
	stop()
	beside.Wait()
	for i := range written {
		if digest := fmt.Sprint("beside ", i+1); !has(t, s, digest) {
			t.Errorf("%s was answered and is not there", digest)
		}
	}
}

// wantWhole wants every reported row there, and none by half.
func wantWhole(t *testing.T, s store.Store, reported []int64) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		for _, n := range reported {
			if !hasHalf(t, tx, half(n, "left")) {
				t.Errorf("row %d was reported as written and is not there", n)
			}
		}
		// Up to 16 more may have been committed and not reported.
		for n := int64(1); n <= slices.Max(reported)+16; n++ {
			if hasHalf(t, tx, half(n, "left")) != hasHalf(t, tx, half(n, "right")) {
				t.Errorf("of row %d there is only one half", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func hasHalf(t *testing.T, tx store.Tx, digest string) bool {
	t.Helper()
	_, err := tx.Policies().Get(access.DefaultTenant, digest)
	if err != nil && access.KindOf(err) != access.KindNotFound {
		t.Fatal(err)
	}
	return err == nil
}

// runAndKill starts the child, calls while when it has begun to write, kills it once it has reported so many rows, and
// returns all that it reported.
func runAndKill(t *testing.T, address string, after int, while func(pid int)) (reported []int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+address)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			continue // the last line may be cut
		}
		reported = append(reported, n)
		if len(reported) == 1 {
			while(child.Process.Pid)
		}
		if len(reported) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", child.ProcessState)
	}
	if len(reported) < after {
		t.Fatalf("the child reported %d rows; want %d", len(reported), after)
	}
	return reported
}

func wantHeld(t *testing.T, path string, pid int) {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err == nil {
		_ = s.Close()
		t.Fatal("two processes have the store open")
	}
	if access.KindOf(err) != access.KindUnavailable || !strings.Contains(err.Error(), strconv.Itoa(pid)) {
		t.Errorf("got %v, want that process %d has it open", err, pid)
	}
}
