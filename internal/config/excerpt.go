package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	// mask stands for text that is not known to be public. Its length says nothing about the text.
	mask = "…"
	// maxExcerpt bounds the characters of an excerpt.
	maxExcerpt = 120
)

var (
	// punctuation is what may stand between scalars, with a comment behind it that is not shown.
	punctuation        = regexp.MustCompile(`^([\s\[\]{},:?-]*)(?:#.*)?$`)
	leadingPunctuation = regexp.MustCompile(`^[\s\[\]{},:?-]*`)
	// leadingKey is all that is shown of a line of a file that cannot be parsed: what is like a key as in keyLike.
	leadingKey = regexp.MustCompile(`^\s*(?:- )*[A-Za-z_-]{1,40}:(?:\s|$)`)
	blockStart = regexp.MustCompile(`^[|>][0-9+-]*`)
)

// excerpt is the line with a caret under the column; empty where there is no line.
//
// It is put together from scalars that the decoder has recognised as public, each checked to stand where its node says,
// and from the punctuation between them. All else is masked: should a position ever be wrong, too much is hidden, never
// too little.
func (s *source) excerpt(line, column int) string {
	if line < 1 || s.line(line) == "" {
		return ""
	}
	e := excerpt{text: []rune(s.line(line)), masked: true, column: column - 1, caret: -1}
	if s.unparsed {
		key := leadingKey.FindString(string(e.text))
		e.write(len([]rune(key)), key)
		e.write(len(e.text), mask)
		return e.frame(line)
	}
	var before *node
	for _, n := range s.scalars {
		switch {
		case n.at.line < line:
			before = n
		case n.at.line == line:
			e.gap(n.at.column-1, before)
			e.scalar(n)
			before = nil
		}
	}
	e.gap(len(e.text), before)
	return e.frame(line)
}

// excerpt is a line under way.
type excerpt struct {
	text []rune
	// done is how much of text has been shown or masked.
	done  int
	shown []rune
	// masked says that the text from done on belongs to a scalar that is not shown.
	masked bool
	// column is the place of the caret in text, caret its place in shown; -1 until it is known.
	column, caret int
}

// write shows a piece for the text up to end.
func (e *excerpt) write(end int, piece string) {
	if end = min(end, len(e.text)); end <= e.done {
		return
	}
	if e.caret < 0 && e.column < end {
		e.caret = len(e.shown) + max(0, min(e.column-e.done, len([]rune(piece))-1))
	}
	e.shown = append(e.shown, []rune(piece)...)
	e.done = end
}

// gap writes what stands before the next scalar: punctuation, or the rest of a scalar that began on an earlier line.
func (e *excerpt) gap(end int, before *node) {
	if end = min(end, len(e.text)); end <= e.done {
		return
	}
	piece := string(e.text[e.done:end])
	if m := punctuation.FindStringSubmatch(piece); m != nil {
		e.write(end, m[1])
		return
	}
	words := strings.TrimSpace(piece)
	if before != nil && before.public && strings.Contains(before.text, words) {
		e.write(end, piece)
		return
	}
	// Behind a public scalar what comes first is punctuation; where a scalar begins it may be part of a secret.
	lead := piece[:strings.Index(piece, words)]
	if !e.masked {
		lead = leadingPunctuation.FindString(piece)
	}
	if hidden := mask + " "; strings.HasSuffix(string(e.shown), hidden) && strings.TrimSpace(lead) == "" {
		e.write(end, "") // one mask says enough
	} else {
		e.write(end, lead+hidden)
	}
}

// scalar writes a scalar that begins here, if it is public and as its node says. Else it is left to the gap that
// follows.
func (e *excerpt) scalar(n *node) {
	e.masked = true
	if !n.public || e.done != n.at.column-1 {
		return
	}
	rest := string(e.text[e.done:])
	written := n.text
	switch {
	case n.style&yaml.DoubleQuotedStyle != 0:
		written = `"` + n.text + `"`
	case n.style&yaml.SingleQuotedStyle != 0:
		written = "'" + strings.ReplaceAll(n.text, "'", "''") + "'"
	case n.block():
		written = blockStart.FindString(rest)
	}
	if strings.HasPrefix(rest, written) {
		e.write(e.done+len([]rune(written)), written)
		e.masked = false
	}
}

// frame sets the line number before the text and the caret below it, and cuts a long line round the caret.
func (e *excerpt) frame(line int) string {
	runes := []rune(strings.TrimRight(string(e.shown), " \t"))
	caret := min(max(e.caret, 0), len(runes))
	if from := caret - maxExcerpt/2; from > 0 && len(runes) > maxExcerpt {
		runes, caret = append([]rune(mask), runes[from:]...), caret-from+1
	}
	if len(runes) > maxExcerpt {
		runes = append(runes[:maxExcerpt:maxExcerpt], []rune(mask)...)
	}
	for i, r := range runes {
		// One for one, so that the caret stays right whatever a terminal makes of tabs and invisible characters.
		if !unicode.IsPrint(r) {
			runes[i] = ' '
		}
	}
	return fmt.Sprintf("%6d | %s\n       | %s^\n", line, string(runes), strings.Repeat(" ", caret))
}
