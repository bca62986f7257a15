package auditor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// pageSize is how many entries are read at once.
const pageSize = 1000

// Books is what of a store is needed. All Views should be of one snapshot.
type Books interface {
	View(ctx context.Context, fn func(store.Tx) error) error
}

// Options say what the log is held against.
type Options struct {
	Tenant access.TenantID
	// Origin is the name of the log; without it, that which the store's installation and the tenant give it.
	Origin string
	// Keys are the public keys that may have signed checkpoints (audit.VerifierKey). Without any, signatures are not
	// checked, and the report says so.
	Keys []string
	// Checkpoints were kept outside the store. Each is the text of a signed checkpoint; Name says where it is from.
	Checkpoints []audit.Kept
	// Authentic reports whether Curfew wrote an entry, by its MAC. Nil where the tenant's key is not at hand.
	Authentic func(id access.EventID, leaf, mac []byte) bool
	// Progress, if set, is told how many entries were read, now and then.
	Progress func(entries int64)
}

// Report is what is found. A log is what it should be when Problems is empty.
type Report struct {
	Origin string `json:"origin"`
	// Entries have a position; InTree of them are in the tree that the newest checkpoint is of. The rest waits to be added,
	// which takes a second; TailChecked says whether its MACs could be checked.
	Entries     int64 `json:"entries"`
	InTree      int64 `json:"in_tree"`
	TailChecked bool  `json:"tail_checked"`
	// Unnumbered entries are committed and wait for their position.
	Unnumbered int `json:"unnumbered"`
	// Erased is how many personal values are not there any more. The entries commit to them still. Unexplained is how many of
	// them no entry accounts for.
	Erased      int `json:"erased"`
	Unexplained int `json:"unexplained,omitempty"`
	// Root is the hash of the tree over all entries, as base64.
	Root string `json:"root"`
	// Checkpoints says what each one was found to be.
	Checkpoints []CheckpointReport `json:"checkpoints"`
	// First and Last are when the first and the last entry were made.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Problems are in the order of their positions; Dropped is how many more there are.
	Problems []audit.Problem `json:"problems"`
	Dropped  int             `json:"dropped,omitempty"`
}

// CheckpointReport is what is said of one checkpoint.
type CheckpointReport struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// Signed is "yes", or why it is not known to be: "not checked" without a key.
	Signed string `json:"signed"`
}

// Verify reads the whole log of a tenant. The error is one of reading; what is wrong with the log is in the report.
func Verify(ctx context.Context, books Books, o Options) (Report, error) {
	v := &verification{options: o, books: books, report: Report{Problems: []audit.Problem{}, Checkpoints: []CheckpointReport{}}}
	if err := v.begin(ctx); err != nil {
		return Report{}, err
	}
	for more := true; more; {
		var err error
		if more, err = v.page(ctx); err != nil {
			return Report{}, err
		}
	}
	v.end()
	return v.report, nil
}

// verification is a Verify under way.
type verification struct {
	options Options
	books   Books
	report  Report
	log     *audit.Verifier
	tree    audit.Range
	head    store.LogHead
	// hashes are those of the leaves' tile at hand, which is the one with this number.
	hashes []byte
	number int64
	// keys are those that are believed; the signatures of unsigned are looked at last, by what the entries have added.
	keys     *audit.Keys
	unsigned []unsigned
	// gone is the position of the first entry that is not there.
	gone int64
	// explained is how many values the entries say were erased.
	explained int
}

// unsigned is a checkpoint that none of the keys at hand at the beginning has signed.
type unsigned struct {
	audit.Kept
	report int
	// elsewhere: it was kept outside of the store, by a witness for years perhaps, under keys that are gone since.
	elsewhere bool
}

// begin reads the head, and believes of all checkpoints only what their signatures and names allow.
func (v *verification) begin(ctx context.Context) error {
	var installation string
	err := v.books.View(ctx, func(tx store.Tx) (err error) {
		if installation, err = tx.Installation().ID(); err != nil {
			return err
		}
		if v.head, err = tx.Log().Head(v.options.Tenant); err != nil {
			return err
		}
		waiting, err := tx.Events().Unsequenced(v.options.Tenant, pageSize)
		v.report.Unnumbered = len(waiting)
		return err
	})
	if err != nil {
		return err
	}
	v.number, v.report.InTree = -1, v.head.Size
	v.keys = audit.NewKeys(v.options.Keys...)
	if v.report.Origin = v.options.Origin; v.report.Origin == "" {
		v.report.Origin = audit.Origin(installation, v.options.Tenant)
	}
	var known []audit.Checkpoint
	var bad []audit.Problem
	kept := v.options.Checkpoints
	if v.head.Size > 0 {
		kept = append([]audit.Kept{{Name: "the newest in the store", Text: v.head.Checkpoint}}, kept...)
	}
	for i, k := range kept {
		own := i == 0 && v.head.Size > 0
		c, err := v.open(k, !own)
		if err == nil && own && c.Tree.N != v.head.Size {
			err = fmt.Errorf("it is of %d entries, and the store has it as that of %d", c.Tree.N, v.head.Size)
		}
		if err != nil {
			bad = append(bad, audit.Problem{From: 1, To: max(c.Tree.N, 1), What: fmt.Sprintf("the checkpoint %s: %v", k.Name, err)})
			continue
		}
		known = append(known, c)
	}
	v.log = audit.NewVerifier(known...)
	for _, p := range bad {
		v.log.Report(p)
	}
	return nil
}

// open reads a checkpoint.
func (v *verification) open(k audit.Kept, elsewhere bool) (c audit.Checkpoint, err error) {
	if c, err = audit.ReadCheckpoint(k.Text); err != nil {
		return c, err
	}
	if c.Origin != v.report.Origin {
		return c, fmt.Errorf("it is of the log %.200q, and this is %q", c.Origin, v.report.Origin)
	}
	signed := "not checked"
	if len(v.options.Keys) > 0 {
		signed = "yes"
		if _, err := audit.OpenCheckpoint(k.Text, v.options.Keys...); err != nil {
			v.unsigned = append(v.unsigned, unsigned{k, len(v.report.Checkpoints), elsewhere})
		}
	}
	v.report.Checkpoints = append(v.report.Checkpoints, CheckpointReport{Name: k.Name, Size: c.Tree.N, Signed: signed})
	return c, nil
}

// page reads some more entries, each with its personal values, and what the tree has of them.
func (v *verification) page(ctx context.Context) (more bool, err error) {
	var rows []store.EventRow
	after := v.report.Entries
	err = v.books.View(ctx, func(tx store.Tx) error {
		if rows, err = tx.Events().List(v.options.Tenant, store.EventFilter{}, after, pageSize); err != nil {
			return err
		}
		for _, row := range rows {
			if err := v.entry(tx, row); err != nil || v.gone > 0 {
				return err
			}
		}
		return nil
	})
	if v.options.Progress != nil {
		v.options.Progress(v.report.Entries)
	}
	return len(rows) == pageSize && v.gone == 0, err
}

// entry looks at one entry. One that is not where it should be ends the log: whatever follows is out of its place.
func (v *verification) entry(tx store.Tx, row store.EventRow) error {
	want := v.report.Entries + 1
	if row.Position != want {
		v.gone = want
		v.log.Report(audit.Problem{From: want, To: row.Position - 1, What: "these entries are missing: others follow them"})
		return nil
	}
	v.report.Entries = want
	v.lookAt(row)
	kept, err := v.kept(tx, want)
	if err != nil {
		return err
	}
	if want > v.head.Size {
		kept = audit.HashLeaf(row.Leaf)
	}
	v.log.Add(row.Leaf, kept)
	v.tree.Add(audit.HashLeaf(row.Leaf))
	return nil
}

// lookAt holds the entry against itself: its form, its columns, its personal values, and its MAC.
func (v *verification) lookAt(row store.EventRow) {
	problem := func(what string) {
		v.log.Report(audit.Problem{From: row.Position, To: row.Position, What: what})
	}
	personal := make([]audit.Personal, len(row.Personal))
	for i, p := range row.Personal {
		personal[i] = audit.Personal(p)
	}
	ev, erased, err := audit.CheckEntry(row.Leaf, personal)
	if err != nil {
		problem(err.Error())
		return
	}
	v.report.Erased += len(erased)
	v.explained += audit.ErasedBy(ev)
	if err := v.keys.Follow(ev); err != nil {
		problem(err.Error())
	}
	if v.report.Last = ev.At; v.report.First.IsZero() {
		v.report.First = ev.At
	}
	if ev.ID != row.ID || ev.Tenant != row.Tenant || !ev.At.Equal(row.At) || ev.Kind != row.Kind || ev.Request != row.Request || ev.Grant != row.Grant {
		problem("the columns by which this entry is found do not say what the entry says: somebody changed them, so that it would not be found")
	}
	// What the tree has is proven by that; the key of its MAC may be gone.
	if v.options.Authentic != nil && row.Position > v.head.Size && !v.options.Authentic(row.ID, row.Leaf, row.MAC) {
		problem("Curfew did not write this entry: it has no MAC of the tenant's key, and no checkpoint has it")
	}
}

// kept is the hash that the tree has of the entry at a position; none for what is not in it yet.
func (v *verification) kept(tx store.Tx, position int64) (hash tlog.Hash, err error) {
	if position > v.head.Size {
		return hash, nil
	}
	const width = 1 << audit.TileHeight
	number, place := (position-1)/width, (position-1)%width*tlog.HashSize
	if number != v.number {
		v.number, v.hashes = number, nil
		tiles, err := tx.Log().Tiles(v.options.Tenant, store.TileAt{Number: number})
		if err != nil && access.KindOf(err) != access.KindNotFound {
			return hash, err
		}
		if len(tiles) > 0 {
			v.hashes = tiles[0].Hashes
		}
	}
	if int(place)+tlog.HashSize <= len(v.hashes) {
		copy(hash[:], v.hashes[place:])
	}
	return hash, nil
}

func (v *verification) end() {
	for _, u := range v.unsigned {
		keys := v.keys.List()
		if u.elsewhere {
			keys = v.keys.Past()
		}
		c, err := audit.OpenCheckpoint(u.Text, keys...)
		if err != nil {
			v.report.Checkpoints[u.report].Signed = "no"
			v.log.Report(audit.Problem{From: 1, To: max(c.Tree.N, 1), What: fmt.Sprintf("the checkpoint %s: %v", u.Name, err)})
		}
	}
	v.report.Root = v.tree.Tree().Hash.String()
	v.report.Unexplained = max(0, v.report.Erased-v.explained)
	v.report.TailChecked = v.options.Authentic != nil
	v.report.Problems, v.report.Dropped = v.log.Done()
	if v.report.Problems == nil {
		v.report.Problems = []audit.Problem{}
	}
}
