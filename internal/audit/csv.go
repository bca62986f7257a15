package audit

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
)

// CSV writes records as a table (RFC 4180) with a header. Cells that a spreadsheet would take for a formula begin with an
// apostrophe.
type CSV struct{ writer *csv.Writer }

// NewCSV begins a table.
func NewCSV(w io.Writer) (*CSV, error) {
	c := &CSV{csv.NewWriter(w)}
	c.writer.UseCRLF = true
	return c, c.writer.Write([]string{
		"position", "id", "at", "kind", "actor", "subject", "request", "grant", "entitlement", "from", "to", "detail", "personal", "acts_for",
	})
}

// Write adds a record.
func (c *CSV) Write(r Record) error {
	detail, err := cellOf(r.Detail)
	if err != nil {
		return err
	}
	personal, err := cellOf(r.Personal)
	if err != nil {
		return err
	}
	cells := []string{
		strconv.FormatInt(r.Position, 10), string(r.ID), r.At.UTC().Format(time.RFC3339Nano), string(r.Kind), r.Actor.String(), r.Subject.String(),
		string(r.Request), string(r.Grant), r.Entitlement, r.From, r.To, detail, personal, r.ActsFor.String(),
	}
	for i, cell := range cells {
		cells[i] = harmless(cell)
	}
	return c.writer.Write(cells)
}

// Close ends the table.
func (c *CSV) Close() error {
	c.writer.Flush()
	return c.writer.Error()
}

// cellOf is a map as JSON, and an empty one as nothing.
func cellOf(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	text, err := json.Marshal(m)
	return string(text), err
}

// harmless keeps a cell from being taken for a formula, or for a command to another program, by who opens the table.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
