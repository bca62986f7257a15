package sqlstore_test

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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// childVariable, when set, makes this test binary the process that is killed: it holds the path of the store.
const childVariable = "CURFEW_SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := writeUntilKilled(path, os.Stdout); err != nil {
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
func writeUntilKilled(path string, report io.Writer) error {
	s, err := sqlstore.OpenSQLite(context.Background(), path, sqlstore.Options{})
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

func half(n int64, part string) string { return fmt.Sprintf("%d-%s", n, part) }

func putRow(tx store.Tx, n int64) error {
	return errors.Join(
		tx.Policies().Put(access.DefaultTenant, half(n, "left"), []byte("text")),
		tx.Policies().Put(access.DefaultTenant, half(n, "right"), []byte("text")))
}

// TestKilled kills a process in the middle of its commits, a few times: every row that it reported is there, and no
// row is there by half.
func TestKilled(t *testing.T) {
	for round := range 4 {
		path := filepath.Join(t.TempDir(), "books.db")
		reported := runAndKill(t, path, 1+rand.IntN(1500))
		s := open(t, path)
		highest := reported[len(reported)-1]
		err := s.View(context.Background(), func(tx store.Tx) error {
			for _, n := range reported {
				highest = max(highest, n)
				if !hasHalf(t, tx, half(n, "left")) {
					t.Errorf("round %d: row %d was reported as written and is not there", round, n)
				}
			}
			// Up to 16 more may have been committed and not reported.
			for n := int64(1); n <= highest+16; n++ {
				if hasHalf(t, tx, half(n, "left")) != hasHalf(t, tx, half(n, "right")) {
					t.Errorf("round %d: of row %d there is only one half", round, n)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
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

// runAndKill starts the child, kills it once it has reported so many rows, and returns all that it reported. While the
// child lives the store is refused to us.
func runAndKill(t *testing.T, path string, after int) (reported []int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
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
			wantHeld(t, path, child.Process.Pid)
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
	s, err := sqlstore.OpenSQLite(t.Context(), path, sqlstore.Options{})
	if err == nil {
		_ = s.Close()
		t.Fatal("two processes have the store open")
	}
	if access.KindOf(err) != access.KindUnavailable || !strings.Contains(err.Error(), strconv.Itoa(pid)) {
		t.Errorf("got %v, want that process %d has it open", err, pid)
	}
}
