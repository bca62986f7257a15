package delivery_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// office is a company at work whose audit log is delivered.
type office struct {
	*World
	log *syncbuf.Buffer
}

// bubble runs a test with a company in time of its own.
func bubble(t *testing.T, test func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{World: New(t, WithEventsNumbered()), log: &syncbuf.Buffer{}}
		o.Run()
		test(t, o)
	})
}

// config is that of a service on the node of that name.
func (o *office) config(holder string) delivery.Config {
	return delivery.Config{
		Tenant: access.DefaultTenant, Store: o.Store, Audit: o.Engine, Holder: holder,
		Log: slog.New(slog.NewTextHandler(o.log, nil)),
	}
}

// serve starts a service, which the test stops.
func serve(c delivery.Config) *delivery.Service {
	s := delivery.New(c)
	s.Start()
	synctest.Wait()
	return s
}

// busy has something happen that is logged, and waits until that is in the tree.
func (o *office) busy(t *testing.T) (logged int64) {
	t.Helper()
	_, err := o.Engine.Submit(t.Context(), o.Who(Alice), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Minute, Reason: "order 17",
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	time.Sleep(time.Second)
	head, err := o.Engine.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head.Size
}

// cursor is how far a destination was served.
func (o *office) cursor(t *testing.T, name string) (c store.Cursor) {
	t.Helper()
	err := o.Store.View(t.Context(), func(tx store.Tx) (err error) {
		c, err = tx.Cursors().Get(access.DefaultTenant, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// said counts the lines of the log with a text.
func (o *office) said(text string) int { return strings.Count(o.log.String(), text) }

// kept are the checkpoints in a witness's file, each signed by the log's key.
func (o *office) kept(t *testing.T, path string) (list []audit.Checkpoint) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := o.Engine.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range audit.SplitCheckpoints(text) {
		c, err := audit.OpenCheckpoint(note, key)
		if err != nil {
			t.Fatalf("%v:\n%s", err, note)
		}
		list = append(list, c)
	}
	return list
}

// notary is a witness that keeps everything, and does what the test wants.
type notary struct {
	mu sync.Mutex
	// fails, when set, is what Keep does first.
	fails func(ctx context.Context) error
	calls int
	notes [][]byte
}

func (n *notary) Keep(ctx context.Context, signed []byte, extends func([]byte) error) error {
	n.mu.Lock()
	n.calls++
	fails := n.fails
	n.mu.Unlock()
	if fails != nil { // it may wait, and time does not go on in a bubble in which somebody waits for a lock
		if err := fails(ctx); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.notes) > 0 {
		if err := extends(n.notes[len(n.notes)-1]); err != nil {
			return err
		}
	}
	n.notes = append(n.notes, bytes.Clone(signed))
	return nil
}

func (n *notary) set(fails func(context.Context) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fails = fails
}

func (n *notary) count() (calls, notes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls, len(n.notes)
}

func witnessFile(t *testing.T) string { return filepath.Join(t.TempDir(), "checkpoints") }
