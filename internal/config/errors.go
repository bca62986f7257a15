package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxMistakes bounds what one reading reports. Whoever has made more fixes these first.
const maxMistakes = 50

// Mistake is one thing that is wrong in a configuration.
type Mistake struct {
	// File is the path as the caller would type it.
	File string
	// Line and Column count from 1, columns in characters; both are 0 when the mistake concerns the file as a whole.
	Line, Column int
	// Message says what is wrong, what was expected and, where there is one, the near miss. It never repeats a secret.
	Message string
	// Excerpt is the line and a caret under the column, with everything masked that is not known to be public.
	Excerpt string
}

// String is the mistake as people read it: file:line:column: message, and the excerpt below it.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	b.WriteString(": " + m.Message + "\n" + m.Excerpt)
	return b.String()
}

// Errors are the mistakes of one configuration, by file (in reading order), line and column.
type Errors struct {
	Mistakes []Mistake
	// More counts the mistakes that were found beyond the bound and are not listed.
	More int
}

// Error writes every mistake.
func (e *Errors) Error() string {
	var b strings.Builder
	for _, m := range e.Mistakes {
		b.WriteString(m.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "and at least %d more\n", e.More)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// position is a place in a source. Line 0 is the source as a whole.
type position struct {
	src          *source
	line, column int
}

// collector gathers mistakes, at most maxMistakes of them.
type collector struct {
	found []located
	more  int
}

type located struct {
	at  position
	msg string
}

// add notes a mistake; the same words at the same place count once.
func (c *collector) add(at position, format string, args ...any) {
	m := located{at, fmt.Sprintf(format, args...)}
	switch {
	case slices.Contains(c.found, m):
	case len(c.found) == maxMistakes:
		c.more++
	default:
		c.found = append(c.found, m)
	}
}

// full reports whether further mistakes are only counted, so that nobody computes near misses for them.
func (c *collector) full() bool { return len(c.found) == maxMistakes }

// err is nil or *Errors. The excerpts are made here, at the end, when the decoder has said what is public.
func (c *collector) err() error {
	if len(c.found) == 0 {
		return nil
	}
	slices.SortStableFunc(c.found, func(a, b located) int {
		return cmp.Or(cmp.Compare(a.at.src.order, b.at.src.order),
			cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	e := &Errors{More: c.more}
	for _, m := range c.found {
		e.Mistakes = append(e.Mistakes, Mistake{
			File: m.at.src.name, Line: m.at.line, Column: m.at.column,
			Message: m.msg, Excerpt: m.at.src.excerpt(m.at.line, m.at.column),
		})
	}
	return e
}
