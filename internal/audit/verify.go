package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
)

// Problem is something that shows that a log is not what it was.
type Problem struct {
	// From and To are the first and the last position that it is about.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// What says what is wrong there.
	What string `json:"what"`
}

// String names the entries, and says what is wrong with them.
func (p Problem) String() string {
	if p.To > p.From {
		return fmt.Sprintf("entries %d to %d: %s", p.From, p.To, p.What)
	}
	return fmt.Sprintf("entry %d: %s", p.From, p.What)
}

// MaxProblems is how many problems a Verifier keeps; the first matter most.
const MaxProblems = 100

// Verifier holds a log, read from its beginning, against checkpoints that somebody kept.
type Verifier struct {
	entries Range
	// hashes is the tree over what the keeper of the log has as the entries' hashes. Where it agrees with a checkpoint and
	// the entries do not, it tells which entry was changed.
	hashes Range
	// differs are the positions whose entry does not have the hash that was kept, since the last checkpoint that agreed.
	differs []int64
	// agreed is the size of the largest checkpoint that the entries agree with.
	agreed  int64
	waiting []Checkpoint

	problems []Problem
	more     int
}

// NewVerifier holds a log against these checkpoints, in the order of their sizes. Whether they are to be believed is for
// the caller to know.
func NewVerifier(checkpoints ...Checkpoint) *Verifier {
	v := &Verifier{waiting: slices.Clone(checkpoints)}
	slices.SortStableFunc(v.waiting, func(a, b Checkpoint) int { return int(min(max(a.Tree.N-b.Tree.N, -1), 1)) })
	v.compare()
	return v
}

// Add takes the next entry: its leaf, and the hash that the keeper of the log has for it.
func (v *Verifier) Add(leaf []byte, kept tlog.Hash) {
	hash := HashLeaf(leaf)
	v.entries.Add(hash)
	v.hashes.Add(kept)
	if hash != kept && len(v.differs) < MaxProblems {
		v.differs = append(v.differs, v.entries.size)
	}
	v.compare()
}

// Report adds a problem that the caller has found.
func (v *Verifier) Report(p Problem) {
	if len(v.problems) < MaxProblems {
		v.problems = append(v.problems, p)
	} else {
		v.more++
	}
}

// compare holds what was read against the checkpoints of its size.
func (v *Verifier) compare() {
	for len(v.waiting) > 0 && v.waiting[0].Tree.N == v.entries.size {
		want := v.waiting[0].Tree
		v.waiting = v.waiting[1:]
		switch {
		case v.entries.Tree().Hash == want.Hash:
			for _, position := range v.differs {
				v.Report(Problem{From: position, To: position, What: "the entry is what it was, and the hash that is kept for it is not: somebody changed the tree"})
			}
			v.agreed, v.differs = want.N, nil
		case v.hashes.Tree().Hash == want.Hash:
			for _, position := range v.differs {
				v.Report(Problem{From: position, To: position, What: fmt.Sprintf("this entry was changed: it does not have the hash by which the checkpoint of %d entries has it", want.N)})
			}
			v.differs = nil
		default:
			v.Report(Problem{From: v.agreed + 1, To: want.N, What: fmt.Sprintf("the checkpoint of %d entries is of another log: one of these entries was changed, put in, taken out or moved, and the hashes that were kept with them too", want.N)})
		}
	}
}

// Done ends the log, and returns what is wrong with it, in the order in which it was found; dropped is how many further
// problems there are.
func (v *Verifier) Done() (problems []Problem, dropped int) {
	for _, c := range v.waiting {
		v.Report(Problem{From: v.entries.size + 1, To: c.Tree.N, What: fmt.Sprintf("these entries are missing: a checkpoint has %d, and the log ends at %d", c.Tree.N, v.entries.size)})
	}
	v.waiting = nil
	for _, position := range v.differs {
		v.Report(Problem{From: position, To: position, What: "this entry does not have the hash that was kept for it: one of the two was changed"})
	}
	v.differs = nil
	slices.SortStableFunc(v.problems, func(a, b Problem) int { return int(min(max(a.From-b.From, -1), 1)) })
	return v.problems, v.more
}

// CheckEntry is OpenWithErased for one who trusts nobody: it holds the leaf against its form as well.
func CheckEntry(leafBytes []byte, personal []Personal) (ev access.Event, erased []string, err error) {
	d := json.NewDecoder(bytes.NewReader(leafBytes))
	d.DisallowUnknownFields()
	var l leaf
	if err := d.Decode(&l); err != nil {
		return ev, nil, fmt.Errorf("the entry cannot be read: %w", err)
	}
	if again, err := canonical(l); err != nil || !bytes.Equal(again, leafBytes) {
		return ev, nil, errors.New("the entry is not in its canonical form (RFC 8785)")
	}
	there := map[string]bool{}
	for _, p := range personal {
		if there[p.Field] {
			return ev, nil, fmt.Errorf("the entry has its %s twice", p.Field)
		}
		there[p.Field] = true
	}
	return OpenWithErased(leafBytes, personal)
}
