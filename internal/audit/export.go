package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// An export is lines of JSON: an ExportHeader, an ExportEntry for each entry, and an ExportEnd. It proves itself: who has
// the log's public key needs neither a server nor the rest of the log.

// ExportVersion is the version of the form.
const ExportVersion = 1

// ExportHeader is the first line of an export.
type ExportHeader struct {
	Version int    `json:"curfew_export"`
	Origin  string `json:"origin"`
	// Key is the public key of the log, which whoever verifies should rather have from elsewhere.
	Key string `json:"key"`
	// Checkpoint is the signed checkpoint against which everything below is proven.
	Checkpoint string `json:"checkpoint"`
	// From and To are the first and the last position that were looked at.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Selected says that entries were left out; each that is here then has a proof of its own. Otherwise all entries from
	// From to To are here, and Peaks and Consistency prove them together: the trees before From, and the proof that the
	// tree of To leaves is what the checkpoint's began with.
	Selected    bool           `json:"selected,omitempty"`
	Peaks       []tlog.Hash    `json:"peaks,omitempty"`
	Consistency tlog.TreeProof `json:"consistency,omitempty"`
}

// ExportEntry is the line of an entry.
type ExportEntry struct {
	Position int64 `json:"position"`
	// Hash is the leaf's in the tree. Were the leaf changed, it tells which one.
	Hash tlog.Hash `json:"hash"`
	// Leaf is the canonical JSON of the entry, byte by byte.
	Leaf     json.RawMessage  `json:"entry"`
	Personal []ExportPersonal `json:"personal,omitempty"`
	// Proof is there in a selection.
	Proof tlog.RecordProof `json:"proof,omitempty"`
}

// ExportPersonal is a value that the entry commits to, with the salt that proves it.
type ExportPersonal struct {
	Field string `json:"field"`
	Value string `json:"value"`
	Salt  []byte `json:"salt"`
}

// ExportEnd is the last line. An export without it was cut off.
type ExportEnd struct {
	End     bool  `json:"end"`
	Entries int64 `json:"entries"`
}

// maxExportLine bounds a line: a leaf, its personal values, and a proof.
const maxExportLine = 4 * MaxLeaf

// ExportReport is what is found in an export. It is what the log had when Problems is empty.
type ExportReport struct {
	ExportHeader
	Entries int64 `json:"entries"`
	// Erased is how many personal values are not there any more, and Unexplained how many of them no entry accounts for. Only
	// an export of the whole log can tell.
	Erased      int `json:"erased"`
	Unexplained int `json:"unexplained,omitempty"`
	// KeyFromExport says that no key was given, so that the export's own was believed.
	KeyFromExport bool `json:"key_from_export,omitempty"`
	// Unchecked are the sizes of checkpoints that this export says nothing about.
	Unchecked []int64   `json:"unchecked_checkpoints,omitempty"`
	Problems  []Problem `json:"problems"`
	Dropped   int       `json:"dropped,omitempty"`
}

// VerifyExport reads an export and holds it against its own checkpoint, which one of the keys must have signed, and
// against checkpoints that somebody kept. each, if set, is told of every entry that can be read. The error is one of
// reading: a line that is none, or an export that was cut off.
func VerifyExport(r io.Reader, keys []string, kept []Checkpoint, each func(Record) error) (ExportReport, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxExportLine)
	x := &exportCheck{lines: lines, each: each}
	if err := x.header(keys); err != nil {
		return x.report, err
	}
	if err := x.begin(kept); err != nil {
		return x.report, err
	}
	for {
		done, err := x.line()
		if err != nil {
			return x.report, err
		}
		if done {
			break
		}
	}
	x.end()
	return x.report, x.signed()
}

// exportCheck is a VerifyExport under way.
type exportCheck struct {
	lines  *bufio.Scanner
	number int
	each   func(Record) error
	report ExportReport
	// tree is the checkpoint's. Its signature is looked at last, by the keys that the entries lead to as well.
	tree tlog.Tree
	keys *Keys
	// entries and hashes are what was read: by the leaves, and by the hashes beside them.
	entries, hashes *Range
	kept            []Checkpoint
	differs         []int64
	last            int64
	// explained is how many values the entries say were erased.
	explained int
}

// next reads a line into v.
func (x *exportCheck) next(v any) error {
	x.number++
	if !x.lines.Scan() {
		if err := x.lines.Err(); err != nil {
			return fmt.Errorf("line %d: %w", x.number, err)
		}
		return fmt.Errorf("the export ends behind line %d, before its end: it was cut off", x.number-1)
	}
	d := json.NewDecoder(bytes.NewReader(x.lines.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("line %d is not one of an export: %w", x.number, err)
	}
	return nil
}

func (x *exportCheck) header(keys []string) error {
	h := &x.report.ExportHeader
	if err := x.next(h); err != nil {
		return err
	}
	if h.Version != ExportVersion {
		return fmt.Errorf("this is no export of an audit log, version %d", ExportVersion)
	}
	if err := x.asWritten(h); err != nil {
		return err
	}
	if len(keys) == 0 {
		keys, x.report.KeyFromExport = []string{h.Key}, true
	}
	x.keys = NewKeys(keys...)
	c, err := ReadCheckpoint([]byte(h.Checkpoint))
	if err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	if c.Origin != h.Origin {
		return fmt.Errorf("line 1: the checkpoint is of the log %.200q, and the export says %.200q", c.Origin, h.Origin)
	}
	if h.From < 1 || h.To < h.From-1 || h.To > c.Tree.N {
		return fmt.Errorf("line 1: there are no positions %d to %d in a log of %d entries", h.From, h.To, c.Tree.N)
	}
	if h.Selected && h.Peaks != nil || (h.Selected || h.To == 0 || h.To == c.Tree.N) && h.Consistency != nil {
		return errors.New("line 1 has a proof that nothing here needs, and that proves nothing")
	}
	x.tree, x.last = c.Tree, h.From-1
	return nil
}

// signed asks, by the keys that the entries have led to as well, who has signed the checkpoint: the key that the export names
// as the log's, since whoever reads it will take that one for it.
func (x *exportCheck) signed() error {
	if _, err := OpenCheckpoint([]byte(x.report.Checkpoint), x.keys.List()...); err != nil {
		return fmt.Errorf("line 1: no key that you believe has signed this: %w", err)
	}
	if _, err := OpenCheckpoint([]byte(x.report.Checkpoint), x.report.Key); err != nil || !slices.Contains(x.keys.List(), x.report.Key) {
		return fmt.Errorf("line 1: the export names %.200q as the key of the log, and another has signed its checkpoint", x.report.Key)
	}
	return nil
}

// begin prepares for the entries.
func (x *exportCheck) begin(kept []Checkpoint) error {
	h := x.report.ExportHeader
	x.report.Problems = []Problem{}
	for _, c := range kept {
		switch {
		case c.Origin != h.Origin:
			return fmt.Errorf("a checkpoint is of the log %.200q, and the export of %.200q", c.Origin, h.Origin)
		case c.Tree.N == x.tree.N && c.Tree != x.tree:
			x.problem(1, c.Tree.N, fmt.Sprintf("the export was made of another log than the checkpoint of %d entries that was kept", c.Tree.N))
		case c.Tree.N == x.tree.N:
		case h.Selected || c.Tree.N < h.From || c.Tree.N > h.To:
			x.report.Unchecked = append(x.report.Unchecked, c.Tree.N)
		default:
			x.kept = append(x.kept, c)
		}
	}
	if h.Selected {
		return nil
	}
	var ok, okToo bool
	x.entries, ok = ResumeRange(h.From-1, h.Peaks)
	x.hashes, okToo = ResumeRange(h.From-1, h.Peaks)
	if !ok || !okToo {
		return errors.New("line 1: the peaks are not those of the entries before the first")
	}
	return nil
}

// line takes the next line, and reports whether it was the last.
func (x *exportCheck) line() (done bool, err error) {
	var line struct {
		ExportEntry
		ExportEnd
	}
	if err := x.next(&line); err != nil {
		return false, err
	}
	if line.End {
		if err := x.asWritten(line.ExportEnd); err != nil {
			return false, err
		}
		if line.Entries != x.report.Entries {
			return false, fmt.Errorf("line %d: the export has %d entries, and says that it has %d", x.number, x.report.Entries, line.Entries)
		}
		if x.lines.Scan() {
			return false, fmt.Errorf("line %d: something follows the end", x.number+1)
		}
		return true, x.lines.Err()
	}
	if err := x.asWritten(line.ExportEntry); err != nil {
		return false, err
	}
	if !x.report.Selected && line.Proof != nil {
		return false, fmt.Errorf("line %d has a proof of its own, which proves nothing in a whole range", x.number)
	}
	record, readable := x.entry(line.ExportEntry)
	if readable && x.each != nil {
		return false, x.each(record)
	}
	return false, nil
}

// asWritten refuses a line that says the same in other words: base64 has spellings that decode alike, and so has JSON.
func (x *exportCheck) asWritten(line any) error {
	var b bytes.Buffer
	if err := NewExportEncoder(&b).Encode(line); err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSuffix(b.Bytes(), []byte("\n")), x.lines.Bytes()) {
		return fmt.Errorf("line %d is not as an export has it: it was changed", x.number)
	}
	return nil
}

// entry holds an entry against itself and its place, and against the log, as far as it can be alone.
func (x *exportCheck) entry(e ExportEntry) (r Record, readable bool) {
	h := x.report.ExportHeader
	x.report.Entries++
	switch {
	case h.Selected && (e.Position <= x.last || e.Position > h.To), !h.Selected && e.Position != x.last+1:
		x.problem(x.last+1, max(e.Position, x.last+1), fmt.Sprintf("behind position %d follows %d: entries are missing, or out of their places", x.last, e.Position))
	}
	x.last = e.Position
	personal := make([]Personal, len(e.Personal))
	for i, p := range e.Personal {
		personal[i] = Personal(p)
	}
	ev, erased, err := CheckEntry(e.Leaf, personal)
	x.report.Erased += len(erased)
	if err == nil {
		r, readable = Record{Position: e.Position, Event: ev, Erased: erased}, true
		x.explained += ErasedBy(ev)
		err = x.keys.Follow(ev)
	}
	if err != nil {
		x.problem(e.Position, e.Position, err.Error())
	}
	x.prove(e)
	return r, readable
}

// prove holds a selected entry against its proof, and adds one of a whole range to what is proven in the end.
func (x *exportCheck) prove(e ExportEntry) {
	h := x.report.ExportHeader
	leaf := HashLeaf(e.Leaf)
	if h.Selected {
		if leaf != e.Hash {
			x.problem(e.Position, e.Position, "the hash beside this entry is not its own")
		}
		if err := tlog.CheckRecord(e.Proof, x.tree.N, x.tree.Hash, e.Position-1, leaf); err != nil {
			x.problem(e.Position, e.Position, "this entry is not in the log that the checkpoint is of: it was changed, or its proof was")
		}
		return
	}
	if leaf != e.Hash && len(x.differs) < MaxProblems {
		x.differs = append(x.differs, e.Position)
	}
	x.entries.Add(leaf)
	x.hashes.Add(e.Hash)
	for _, c := range x.kept {
		if c.Tree.N == e.Position && c.Tree != x.entries.Tree() {
			x.problem(h.From, e.Position, fmt.Sprintf("the checkpoint of %d entries that was kept is of another log: one of these entries, or one before them, was another then", e.Position))
		}
	}
}

// end proves all entries of a whole range together, and where that fails, says which of them do not fit.
func (x *exportCheck) end() {
	h := x.report.ExportHeader
	if h.Selected {
		return
	}
	if h.From == 1 && h.To == x.tree.N {
		x.report.Unexplained = max(0, x.report.Erased-x.explained)
	}
	if x.last != h.To {
		x.problem(x.last+1, h.To, "these entries are missing")
		return
	}
	if h.To == 0 || x.proven(x.entries) {
		for _, position := range x.differs {
			x.problem(position, position, "the hash beside this entry is not its own")
		}
		return
	}
	if x.proven(x.hashes) && len(x.differs) > 0 {
		for _, position := range x.differs {
			x.problem(position, position, "this entry was changed: it does not have the hash that the log has for it")
		}
		return
	}
	x.problem(h.From, h.To, "these are not the entries of the log that the checkpoint is of: one of them was changed, put in, taken out or moved")
}

func (x *exportCheck) proven(r *Range) bool {
	tree := r.Tree()
	if tree.N == x.tree.N {
		return tree == x.tree
	}
	return CheckConsistency(x.report.Consistency, x.tree, tree) == nil
}

func (x *exportCheck) problem(from, to int64, what string) {
	if len(x.report.Problems) == MaxProblems {
		x.report.Dropped++
		return
	}
	x.report.Problems = append(x.report.Problems, Problem{From: from, To: to, What: what})
}

// NewExportEncoder writes lines of an export. The bytes of leaves stay what they are.
func NewExportEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
