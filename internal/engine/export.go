package engine

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// exportPage is how many entries an export reads at once.
	exportPage = 500
	// exportPatience is how long an export waits for what is logged already to be in the tree.
	exportPatience = 5 * time.Second
)

// ExportQuery selects entries of the audit log. The zero ExportQuery is all of it.
type ExportQuery struct {
	// From and To are positions; zero is the first, and the last.
	From, To int64
	// Since and Until are moments: entries from Since on, and before Until. Zero is the beginning, and the end.
	Since, Until time.Time
	// Request and Grant leave out what is about others, and so does Kind.
	Request access.RequestID
	Grant   access.GrantID
	Kind    access.EventKind
}

func (q ExportQuery) selects() bool { return q.Request != "" || q.Grant != "" || q.Kind != "" }

// Export is an export on its way. It is used by one goroutine.
type Export struct {
	// Header is its first line.
	Header audit.ExportHeader

	engine *Engine
	query  ExportQuery
	tree   tlog.Tree
	// done is the last position that was looked at.
	done int64
}

// Export begins an export: of what is logged by now, proven by one checkpoint. The actor is one who sees the whole log.
func (e *Engine) Export(ctx context.Context, actor access.Principal, q ExportQuery) (*Export, error) {
	if !e.seesAll(actor) {
		return nil, access.Errorf(access.KindDenied, "An export of the audit log is for administrators and auditors.")
	}
	head, tree, err := e.headOfAll(ctx)
	if err != nil {
		return nil, err
	}
	if head.Size == 0 {
		return nil, access.Errorf(access.KindNotFound, "The audit log is empty: nothing has happened yet.")
	}
	key, err := e.LogKeyOf(ctx, head.Checkpoint)
	if err != nil {
		return nil, err
	}
	from, to, err := e.exportRange(ctx, q, tree.N)
	if err != nil {
		return nil, err
	}
	x := &Export{engine: e, query: q, tree: tree, done: from - 1, Header: audit.ExportHeader{
		Version: audit.ExportVersion, Origin: e.LogOrigin(), Key: key, Checkpoint: string(head.Checkpoint), From: from, To: to,
		Selected: q.selects(),
	}}
	if !x.Header.Selected {
		err = x.prove(ctx)
	}
	return x, err
}

// CheckpointOfAll is the newest checkpoint, once it is of all that is logged by now. Where that takes long, which it should
// not, it is the newest there is.
func (e *Engine) CheckpointOfAll(ctx context.Context) (store.LogHead, error) {
	head, _, err := e.headOfAll(ctx)
	return head, err
}

// headOfAll is the newest head, once it has all that is logged by now, or patience has ended: then what is not in the
// tree yet is left out.
func (e *Engine) headOfAll(ctx context.Context) (head store.LogHead, tree tlog.Tree, err error) {
	grown, unsubscribe := e.signals.subscribe(checkpoints)
	defer unsubscribe()
	patience, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	if err := e.awaitNumbers(patience); err != nil {
		return head, tree, err
	}
	end, err := e.LastPosition(ctx)
	if err != nil {
		return head, tree, err
	}
	for {
		if head, tree, err = e.logHead(ctx); err != nil || head.Size >= end {
			return head, tree, err
		}
		select {
		case <-grown:
		case <-patience.Done():
			return head, tree, ctx.Err()
		}
	}
}

// maxAwaited bounds how many entries awaitNumbers looks at. The sequencer leaves far fewer behind.
const maxAwaited = 10_000

// awaitNumbers returns when what is logged by now has its positions, or with ctx.
func (e *Engine) awaitNumbers(ctx context.Context) error {
	if e.cfg.EventsNumbered {
		return nil
	}
	grown, unsubscribe := e.signals.subscribe(numberedEvents)
	defer unsubscribe()
	e.signals.raise(watchLane) // another node may be the one that numbers
	var last access.EventID
	for limit := maxAwaited; ; limit = 1 {
		var left []store.EventRow
		err := e.cfg.Store.View(context.WithoutCancel(ctx), func(tx store.Tx) (err error) {
			left, err = tx.Events().Unsequenced(e.cfg.Tenant, limit)
			return err
		})
		if err != nil || len(left) == 0 {
			return err
		}
		switch {
		case last == "":
			last = left[len(left)-1].ID
		case left[0].ID > last: // they are numbered in the order of their IDs
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil
		}
	}
}

// exportRange are the first and the last position that the query wants.
func (e *Engine) exportRange(ctx context.Context, q ExportQuery, size int64) (from, to int64, err error) {
	if from, err = e.positionAt(ctx, q.Since, size); err != nil {
		return 0, 0, err
	}
	to = size
	if !q.Until.IsZero() {
		if to, err = e.positionAt(ctx, q.Until, size); err != nil {
			return 0, 0, err
		}
		to--
	}
	from = max(from, q.From, 1)
	if q.To > 0 {
		to = min(to, q.To)
	}
	if from > to+1 {
		return 0, 0, access.Errorf(access.KindInvalid, "No entry is from position %d on and not beyond position %d.", from, to)
	}
	return from, to, nil
}

// positionAt is the first position whose entry was made at the moment or later, and one more than size where there is
// none. Entries are in the order of their commits, which is that of their times but for what commits at one moment.
func (e *Engine) positionAt(ctx context.Context, t time.Time, size int64) (int64, error) {
	low, high := int64(1), size+1
	for !t.IsZero() && low < high {
		middle := low + (high-low)/2
		rows, err := e.leavesBehind(ctx, middle-1, 1)
		if err != nil {
			return 0, err
		}
		if len(rows) == 0 {
			return high, nil
		}
		ev, err := audit.Open(rows[0].Leaf, nil)
		if err != nil {
			return 0, err
		}
		if ev.At.Before(t) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// prove finds what proves a whole range.
func (x *Export) prove(ctx context.Context) (err error) {
	tiles := x.engine.tiles(ctx)
	if x.Header.Peaks, err = audit.PeaksAt(x.tree, x.Header.From-1, tiles); err != nil {
		return unproven(err)
	}
	if x.Header.To > 0 && x.Header.To < x.tree.N {
		x.Header.Consistency, err = audit.ProveConsistencyAt(x.tree, x.tree.N, x.Header.To, tiles)
	}
	return unproven(err)
}

// Next returns the next entries; none, and no error, at the end. more reports whether to call it again.
func (x *Export) Next(ctx context.Context) (entries []audit.ExportEntry, more bool, err error) {
	var rows []store.EventRow
	filter := store.EventFilter{Request: x.query.Request, Grant: x.query.Grant}
	err = x.engine.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		rows, err = tx.Events().List(x.engine.cfg.Tenant, filter, x.done, exportPage)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	more = len(rows) == exportPage
	for _, row := range rows {
		if row.Position > x.Header.To {
			return entries, false, nil
		}
		x.done = row.Position
		if !row.Kind.Matches(x.query.Kind) {
			continue
		}
		entry, err := x.entry(ctx, row)
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, entry)
	}
	return entries, more, nil
}

func (x *Export) entry(ctx context.Context, row store.EventRow) (audit.ExportEntry, error) {
	entry := audit.ExportEntry{Position: row.Position, Hash: audit.HashLeaf(row.Leaf), Leaf: row.Leaf}
	for _, p := range row.Personal {
		entry.Personal = append(entry.Personal, audit.ExportPersonal(p))
	}
	if !x.Header.Selected {
		return entry, nil
	}
	var err error
	entry.Proof, err = audit.ProveInclusionAt(x.tree, x.tree.N, row.Position, x.engine.tiles(ctx))
	return entry, unproven(err)
}
