package pack

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/evidence"
)

// lateAfter is how long after its deadline a removal is an exception. Every removal takes some time.
const lateAfter = time.Minute

// Order says what a pack is about.
type Order struct {
	// From and To are the period: what was live, asked or entered from From on and before To.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Controls are those that the pack is evidence for; none is all.
	Controls []evidence.ID `json:"controls,omitempty"`
}

// Check refuses a period that is none, and controls that nobody knows.
func (o Order) Check() error {
	if o.From.IsZero() || !o.From.Before(o.To) {
		return errors.New("the period ends before it begins")
	}
	for _, id := range o.Controls {
		if _, ok := evidence.Find(id); !ok {
			return fmt.Errorf("there is no control %q; docs/compliance.md has them all", id)
		}
	}
	return nil
}

// Exception is something that an auditor will ask about.
type Exception struct {
	Kind string    `json:"kind"`
	What string    `json:"what"`
	At   time.Time `json:"at"`
	// Grant or Position lead to it.
	Grant    string `json:"grant,omitempty"`
	Position int64  `json:"position,omitempty"`
}

// Pack is what the files of a pack say.
type Pack struct {
	Version int    `json:"curfew_evidence"`
	Order   Order  `json:"order"`
	Origin  string `json:"log"`
	Key     string `json:"key"`
	// Entries is how many entries the export has, all proven by one checkpoint, and Last when the last was made.
	Entries    int64     `json:"entries"`
	Last       time.Time `json:"last,omitzero"`
	Checkpoint string    `json:"checkpoint"`
	Erased     int       `json:"erased_values,omitempty"`
	// Unexplained is how many of them no entry accounts for: an erasure was under way, or somebody left them out.
	Unexplained int                `json:"unexplained_erased_values,omitempty"`
	Requests    []Request          `json:"requests"`
	Grants      []Grant            `json:"grants"`
	Notes       []Note             `json:"other_entries"`
	Exceptions  []Exception        `json:"exceptions"`
	Controls    []evidence.Control `json:"controls"`
}

// Read makes a pack of an export of the whole log, which it verifies on the way. keys are the public keys to believe; none
// believes the export's own. kept are checkpoints that the reader has from elsewhere: a log that does not reach one of them
// is refused, since it leaves out what came last.
func Read(export io.Reader, keys []string, kept []audit.Checkpoint, o Order) (Pack, error) {
	if err := o.Check(); err != nil {
		return Pack{}, err
	}
	s := newStory()
	report, err := audit.VerifyExport(export, keys, kept, s.tell)
	if err != nil {
		return Pack{}, err
	}
	if len(report.Problems) > 0 {
		return Pack{}, fmt.Errorf("the export is not what was logged: %s", report.Problems[0])
	}
	if err := whole(report); err != nil {
		return Pack{}, err
	}
	p := Pack{
		Version: 1, Order: o, Origin: report.Origin, Key: report.Key, Checkpoint: report.Checkpoint, Entries: report.Entries,
		Last: s.last, Erased: report.Erased, Unexplained: report.Unexplained, Requests: []Request{}, Grants: []Grant{}, Notes: []Note{}, Exceptions: []Exception{},
	}
	p.pick(s)
	p.except()
	for _, c := range evidence.Controls() {
		if len(o.Controls) == 0 || slices.Contains(o.Controls, c.ID) {
			p.Controls = append(p.Controls, c)
		}
	}
	return p, nil
}

// whole refuses a part of a log: what is not in it would be missing from the pack, and nobody would know.
func whole(r audit.ExportReport) error {
	c, err := audit.ReadCheckpoint([]byte(r.Checkpoint))
	switch {
	case err != nil:
		return err
	case r.Selected || r.From != 1 || r.To != c.Tree.N:
		return fmt.Errorf("the export is a part of the log; a pack is made of all of it, from the first entry to the last, %d, that its checkpoint has", c.Tree.N)
	case len(r.Unchecked) > 0:
		return fmt.Errorf("the log ends after %d entries, and your checkpoint has %d: this leaves out what came last", c.Tree.N, slices.Max(r.Unchecked))
	}
	return nil
}

// pick takes what belongs to the period: what was live in it for a moment, and what was entered in it.
func (p *Pack) pick(s *story) {
	within := func(t time.Time) bool { return !t.Before(p.Order.From) && t.Before(p.Order.To) }
	wanted := map[string]bool{}
	for _, id := range s.grantOrder {
		g := *s.grants[id]
		live := !g.Activated.IsZero() && g.Activated.Before(p.Order.To) && (g.Ended.IsZero() || !g.Ended.Before(p.Order.From))
		if live || within(g.Ended) {
			p.Grants = append(p.Grants, g)
			wanted[g.Request] = true
		}
	}
	for _, id := range s.requestOrder {
		if r := *s.requests[id]; wanted[r.ID] || within(r.Asked) || within(r.Settled) {
			p.Requests = append(p.Requests, r)
		}
	}
	for _, n := range s.notes {
		if within(n.At) {
			p.Notes = append(p.Notes, n)
		}
	}
}

// except looks for what an auditor will ask about.
func (p *Pack) except() {
	add := func(kind string, at time.Time, grant string, position int64, format string, args ...any) {
		p.Exceptions = append(p.Exceptions, Exception{Kind: kind, At: at, Grant: grant, Position: position, What: fmt.Sprintf(format, args...)})
	}
	end := min(p.Order.To.UnixMicro(), p.Last.UnixMicro())
	for _, g := range p.Grants {
		overdueAt := g.Deadline.Add(lateAfter)
		switch {
		case g.Activated.IsZero() || g.Deadline.IsZero():
		case g.Ended.IsZero() && overdueAt.UnixMicro() < end:
			add("overdue", g.Deadline, g.ID, 0, "%s of %s has not ended, and its deadline has passed", g.Entitlement, g.Who)
		case g.Late() > lateAfter:
			add("late", g.Ended, g.ID, 0, "%s of %s was read back as gone %s after its deadline", g.Entitlement, g.Who, g.Late().Truncate(time.Second))
		}
		if len(g.AttestedBy) > 0 && g.EndReason == string(access.EndAttested) {
			add("attested", g.Ended, g.ID, 0, "the end of %s of %s was attested by %v, and not read back", g.Entitlement, g.Who, g.AttestedBy)
		}
		if g.EndReason == string(access.EndRemovedAtTarget) {
			add("removed at the target", g.Ended, g.ID, 0, "somebody else took %s of %s away", g.Entitlement, g.Who)
		}
		if !g.Residual.IsZero() {
			add("residual", g.Ended, g.ID, 0, "what was issued for %s of %s may have worked until %s", g.Entitlement, g.Who, moment(g.Residual))
		}
		if g.KeptBy != "" {
			add("kept", g.Ended, g.ID, 0, "%s of %s is still there: %s", g.Entitlement, g.Who, g.KeptBy)
		}
		if g.Offline {
			add("store away", g.Ended, g.ID, 0, "%s of %s was taken back while the store was away, and written down afterwards", g.Entitlement, g.Who)
		}
	}
	for _, n := range p.Notes {
		switch access.EventKind(n.Kind) {
		case access.EventFindingOpened, access.EventFindingAccepted:
			add("finding", n.At, n.Grant, n.Position, "%s: %s", n.Kind, wordsOf(n.Words))
		case access.EventFreezeBegun, access.EventFreezeLifted:
			add("freeze", n.At, n.Grant, n.Position, "%s by %s: %s", n.Kind, n.By, wordsOf(n.Words))
		case access.EventStoreRestored:
			add("restore", n.At, n.Grant, n.Position, "the books were restored from a backup: %s", wordsOf(n.Words))
		default: // nothing to ask about
		}
	}
	slices.SortStableFunc(p.Exceptions, func(a, b Exception) int { return a.At.Compare(b.At) })
}
