package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// streamPause is how long an entry that is in the tree waits at most before it is sent.
	streamPause = time.Second
	// maxBatch and maxBatchBytes bound what is sent at once. An entry that is larger by itself goes alone.
	maxBatch      = 100
	maxBatchBytes = 1 << 20
)

// StreamOptions name a stream.
type StreamOptions struct {
	Name   string
	Stream Stream
	// Encode writes a record in the stream's form.
	Encode func(audit.Record) ([]byte, error)
	// Impersonal leaves out the names and the words of people.
	Impersonal bool
}

// Message is an entry as a stream sends it.
type Message struct {
	Position int64
	ID       access.EventID
	At       time.Time
	Kind     access.EventKind
	Body     []byte
}

// Stream is a receiver of entries. Only one goroutine uses it at a time.
type Stream interface {
	// Send hands over entries in their order, none or all, before ctx ends. What was sent in an attempt that failed comes
	// again. Where the receiver confirms nothing, Send says what it can know.
	Send(ctx context.Context, batch []Message) error
	// Close ends what Send keeps open; the next Send opens it again.
	Close() error
}

// streaming sends entries that the tree has: what is sent is what a checkpoint proves.
type streaming struct {
	cfg *Config
	StreamOptions
}

func newStreaming(c *Config, o StreamOptions) *streaming { return &streaming{cfg: c, StreamOptions: o} }

func (s *streaming) waits(cursor store.Cursor, head store.LogHead) bool {
	return head.Size != cursor.Position
}

// lastly is false: a stream goes on where it ended, at the next start or from another node.
func (s *streaming) lastly() bool { return false }

func (s *streaming) close() error { return s.Stream.Close() }

func (s *streaming) carry(ctx context.Context, cursor store.Cursor, head store.LogHead) (store.Cursor, bool, error) {
	if cursor.Position > head.Size {
		return cursor, false, fmt.Errorf("%w: position %d was delivered, and the log ends at %d", audit.ErrRewritten, cursor.Position, head.Size)
	}
	batch, err := s.batch(ctx, cursor.Position, min(maxBatch, head.Size-cursor.Position))
	if err != nil || len(batch) == 0 {
		return cursor, false, err
	}
	if err := s.Stream.Send(ctx, batch); err != nil {
		return cursor, false, err
	}
	last := batch[len(batch)-1].Position
	return store.Cursor{Position: last}, last < head.Size, nil
}

// batch reads and encodes what comes behind a position.
func (s *streaming) batch(ctx context.Context, after, limit int64) (batch []Message, err error) {
	var rows []store.EventRow
	err = s.cfg.Store.View(ctx, func(tx store.Tx) error {
		rows, err = tx.Events().List(s.cfg.Tenant, store.EventFilter{}, after, int(limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	size := 0
	for _, row := range rows {
		m, err := s.message(row)
		if err != nil {
			return nil, err
		}
		if size += len(m.Body); size > maxBatchBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, m)
	}
	return batch, nil
}

func (s *streaming) message(row store.EventRow) (Message, error) {
	personal := make([]audit.Personal, len(row.Personal))
	for i, p := range row.Personal {
		personal[i] = audit.Personal(p)
	}
	record, err := audit.RecordOf(row.Position, row.Leaf, personal)
	if err != nil {
		return Message{}, err
	}
	if s.Impersonal {
		record = record.WithoutPersonal()
	}
	body, err := s.Encode(record)
	return Message{Position: row.Position, ID: row.ID, At: record.At, Kind: record.Kind, Body: body}, err
}
