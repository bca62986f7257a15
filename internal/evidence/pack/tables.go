package pack

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"time"
)

// table is a piece of a pack as rows, for spreadsheets and for the report alike.
type table struct {
	name, title string
	headings    []string
	rows        [][]string
	// none is said where there are no rows.
	none string
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

func (p Pack) tables() []table {
	return []table{p.grantTable(), p.requestTable(), p.exceptionTable(), p.noteTable(), p.controlTable()}
}

func (p Pack) grantTable() table {
	t := table{
		name: "grants", title: "Who had what, and how it ended", none: "Nobody had access in this period.",
		headings: []string{"Grant", "Who", "Entitlement", "Reason", "Agreed", "From", "Deadline", "Read back as gone", "Late", "Ended as", "Read by", "Sessions ended", "Credential fetches", "Log positions"},
	}
	requests := map[string]Request{}
	for _, r := range p.Requests {
		requests[r.ID] = r
	}
	for _, g := range p.Grants {
		r := requests[g.Request]
		late := ""
		if !g.Ended.IsZero() && !g.Deadline.IsZero() && g.Late() > 0 {
			late = g.Late().Round(time.Millisecond).String()
		}
		reason := g.EndReason
		if g.EndedBy != "" {
			reason += " by " + g.EndedBy
		}
		t.rows = append(t.rows, []string{
			g.ID, g.Who, g.Entitlement, reasonOf(r), agreed(r, g), moment(g.Activated), moment(g.Deadline), moment(g.Verified), late, reason,
			g.VerifiedBy, fmt.Sprint(g.SessionsEnded), fmt.Sprint(g.Fetches), positions(g.Positions),
		})
	}
	return t
}

func reasonOf(r Request) string {
	if r.Ticket != "" {
		return strings.TrimSpace(r.Reason + " [" + r.Ticket + "]")
	}
	return r.Reason
}

// agreed says who agreed, or which policy did not ask anybody.
func agreed(r Request, g Grant) string {
	var names []string
	for _, review := range r.Reviews {
		if review.Verdict == "approve" {
			names = append(names, review.By)
		}
	}
	if len(names) == 0 {
		return "by the policy " + g.Policy + " alone"
	}
	return strings.Join(names, ", ") + ", as the policy " + g.Policy + " asks"
}

func positions(list []int64) string {
	var parts []string
	for _, n := range list {
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, " ")
}

func (p Pack) requestTable() table {
	t := table{
		name: "requests", title: "What was asked for", none: "Nobody asked in this period.",
		headings: []string{"Request", "Who", "Entitlements", "For", "Reason", "Asked", "Decision", "Reviews", "State", "Settled", "Why", "Log positions"},
	}
	for _, r := range p.Requests {
		var reviews []string
		for _, review := range r.Reviews {
			text := review.Verdict + " by " + review.By
			if review.Comment != "" {
				text += " (" + review.Comment + ")"
			}
			reviews = append(reviews, text)
		}
		t.rows = append(t.rows, []string{
			r.ID, r.By, r.Entitlements, r.Duration, reasonOf(r), moment(r.Asked), r.Verdict, strings.Join(reviews, "; "), r.State, moment(r.Settled), r.Why,
			positions(r.Positions),
		})
	}
	return t
}

func (p Pack) exceptionTable() table {
	t := table{name: "exceptions", title: "Exceptions", none: "There are none: everything ended as it should, in its time, and was read back.", headings: []string{"Kind", "When", "What", "Grant", "Log position"}}
	for _, x := range p.Exceptions {
		position := ""
		if x.Position > 0 {
			position = fmt.Sprint(x.Position)
		}
		t.rows = append(t.rows, []string{x.Kind, moment(x.At), x.What, x.Grant, position})
	}
	return t
}

func (p Pack) noteTable() table {
	t := table{name: "other", title: "Other entries", none: "There are none.", headings: []string{"Log position", "When", "Kind", "Who", "What"}}
	for _, n := range p.Notes {
		t.rows = append(t.rows, []string{fmt.Sprint(n.Position), moment(n.At), n.Kind, n.By, wordsOf(n.Words)})
	}
	return t
}

func (p Pack) controlTable() table {
	t := table{name: "controls", title: "Controls", none: "None was asked for.", headings: []string{"Control", "Framework", "Asks", "What Curfew does", "What is left to you", "Commands"}}
	for _, c := range p.Controls {
		t.rows = append(t.rows, []string{string(c.ID), c.Framework + " " + c.Reference, c.Asks, c.Does, c.Leaves, strings.Join(c.Commands, "; ")})
	}
	return t
}

// csv is the table as RFC 4180 has it.
func (t table) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(t.headings); err != nil {
		return nil, err
	}
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = harmless(cell)
		}
		if err := w.Write(cells); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// harmless keeps a spreadsheet from taking words for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
