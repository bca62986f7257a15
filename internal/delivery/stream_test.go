package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/store"
)

// receiver keeps what it is sent, and fails when the test wants.
type receiver struct {
	mu      sync.Mutex
	fails   func(batch []delivery.Message) error
	got     []delivery.Message
	batches int
	closed  bool
}

func (r *receiver) Send(_ context.Context, batch []delivery.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches++
	r.got = append(r.got, batch...) // what arrived may be told to have failed
	if r.fails != nil {
		return r.fails(batch)
	}
	return nil
}

func (r *receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// received are the positions, without what came again.
func (r *receiver) received(t *testing.T) (positions []int64) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := int64(0)
	for _, m := range r.got {
		if m.Position > newest+1 {
			t.Errorf("behind position %d came %d", newest, m.Position)
		}
		if m.Position == newest+1 {
			newest = m.Position
			positions = append(positions, newest)
		}
	}
	return positions
}

func streams(name string, r *receiver) []delivery.StreamOptions {
	return []delivery.StreamOptions{{Name: name, Stream: r, Encode: audit.Record.MarshalJSON}}
}

// TestStreamResumes: nothing is missing and the order is kept, through failures, a stop, and another node.
func TestStreamResumes(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		r := &receiver{}
		c := o.config("node-1")
		c.Streams = streams("siem", r)
		o.busy(t)
		s := serve(c)
		logged := o.busy(t)
		time.Sleep(2 * time.Second)
		if got := r.received(t); int64(len(got)) != logged {
			t.Errorf("of %d entries %v were received", logged, got)
		}
		r.mu.Lock()
		r.fails = func([]delivery.Message) error { return errors.New("busy") }
		r.mu.Unlock()
		o.busy(t)
		time.Sleep(10 * time.Minute)
		if st := s.Statuses()[0]; !st.Failing || st.Rewritten || st.Kind != delivery.KindStream {
			t.Errorf("%+v", st)
		}
		s.Stop(t.Context())
		if !r.closed {
			t.Error("the stream was not closed")
		}
		logged = o.busy(t)
		r.fails = nil
		c.Holder = "node-2"
		s = serve(c)
		time.Sleep(2 * time.Second)
		if got := r.received(t); int64(len(got)) != logged || o.cursor(t, "siem").Position != logged {
			t.Errorf("of %d entries %v were received", logged, got)
		}
		s.Stop(t.Context())
	})
}

// TestStreamSaysWhatAuditorsSee, but for names and words where they are not wanted, and salts never.
func TestStreamSaysWhatAuditorsSee(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		open, shut := &receiver{}, &receiver{}
		c := o.config("node-1")
		c.Streams = append(streams("open", open), streams("shut", shut)...)
		c.Streams[1].Impersonal = true
		o.busy(t)
		s := serve(c)
		time.Sleep(2 * time.Second)
		s.Stop(t.Context())
		if len(open.got) == 0 || len(open.got) != len(shut.got) {
			t.Fatalf("%d and %d entries", len(open.got), len(shut.got))
		}
		var first struct {
			Position int64
			ID       access.EventID
			Kind     access.EventKind
			Actor    string
			Personal map[string]string
		}
		if err := json.Unmarshal(open.got[0].Body, &first); err != nil {
			t.Fatal(err)
		}
		if first.Position != 1 || first.ID != open.got[0].ID || first.Kind != access.EventRequestSubmitted || first.Actor != "static/alice" || first.Personal["reason"] != "order 17" {
			t.Errorf("%+v", first)
		}
		for i, m := range shut.got {
			if text := string(m.Body); strings.Contains(text, "alice") || strings.Contains(text, "order 17") || strings.Contains(text, `"personal"`) {
				t.Errorf("%s", text)
			}
			if strings.Contains(string(open.got[i].Body), "salt") {
				t.Errorf("a salt is told: %s", open.got[i].Body)
			}
		}
	})
}

// TestStreamIsBounded sends a long log in pieces.
func TestStreamIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		r := &receiver{}
		largest := 0
		r.fails = func(batch []delivery.Message) error {
			size := 0
			for _, m := range batch {
				size += len(m.Body)
			}
			largest = max(largest, size)
			return nil
		}
		c := o.config("node-1")
		c.Streams = streams("siem", r)
		c.Streams[0].Encode = func(audit.Record) ([]byte, error) { return make([]byte, 300<<10), nil }
		var logged int64
		for logged < 150 {
			logged = o.busy(t)
		}
		s := serve(c)
		time.Sleep(2 * time.Second)
		s.Stop(t.Context())
		if largest > 1<<20 || int64(len(r.got)) != logged {
			t.Errorf("%d of %d entries, %d bytes at once", len(r.got), logged, largest)
		}
		again := &receiver{}
		c.Streams = streams("lake", again)
		s = serve(c)
		time.Sleep(2 * time.Second)
		s.Stop(t.Context())
		if int64(len(again.got)) != logged || again.batches != int(logged+99)/100 {
			t.Errorf("%d of %d entries in %d batches", len(again.got), logged, again.batches)
		}
	})
}

// TestStreamIsNotSentWhatIsLost: a log that ends before what was sent already is another log.
func TestStreamIsNotSentWhatIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		logged := o.busy(t)
		err := o.Store.Update(t.Context(), "test", func(tx store.Tx) error {
			return tx.Cursors().Advance(access.DefaultTenant, "siem", 0, store.Cursor{Position: logged + 5, At: tx.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &receiver{}
		c := o.config("node-1")
		c.Streams = streams("siem", r)
		s := serve(c)
		if !s.Statuses()[0].Rewritten || r.batches != 0 {
			t.Errorf("a log that is shorter than what was sent: %+v", s.Statuses())
		}
		s.Stop(t.Context())
	})
}
