package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kind says what is written at a node, in the words that mistakes use.
type kind string

const (
	kindMapping kind = "a mapping"
	kindList    kind = "a list"
	kindText    kind = "text"
	kindInteger kind = "a whole number"
	kindDecimal kind = "a number"
	kindBool    kind = "true or false"
	kindNothing kind = "nothing"
)

// node is a piece of the file: the library's syntax tree without what is refused, and with what has been found out
// about it.
type node struct {
	kind kind
	at   position
	// text is the value of a text, or the characters of another scalar; style is how it is written.
	text  string
	style yaml.Style
	// value is int64, float64 or bool for those kinds.
	value any

	entries []entry
	items   []*node

	// bad says that this node has been reported: what follows from it is not worth another mistake.
	bad bool
	// incomplete says that a key of this mapping was not understood, so a missing key may be that one.
	incomplete bool
	// partial says of a root that a file is missing from it, which could not be read.
	partial bool
	// public says that the scalar is no secret and may be shown.
	public bool
}

type entry struct {
	key   *node
	value *node
}

// block reports whether the text is written as a block, with | or >.
func (n *node) block() bool { return n.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 }

// entry is the entry of a key, or nil.
func (n *node) entry(key string) *entry {
	for i := range n.entries {
		if n.entries[i].key.text == key {
			return &n.entries[i]
		}
	}
	return nil
}

// find follows a path of keys and indices. Where it ends early, or meets what was refused, it returns how far it came,
// and false.
func (n *node) find(path ...string) (*node, bool) {
	for _, p := range path {
		i, err := strconv.Atoi(p)
		e := n.entry(p)
		switch {
		case n.bad:
			return n, false
		case e != nil:
			n = e.value
		case n.kind == kindList && err == nil && i >= 0 && i < len(n.items):
			n = n.items[i]
		default:
			return n, false
		}
	}
	return n, true
}

// damaged reports whether anything in the node was refused, so that what is missing may merely not have been read.
func (n *node) damaged() bool {
	if n.bad || n.incomplete {
		return true
	}
	for _, e := range n.entries {
		if e.value.damaged() {
			return true
		}
	}
	for _, i := range n.items {
		if i.damaged() {
			return true
		}
	}
	return false
}

// within is the position of a line and column of the node's text, both from 1. Where the text does not stand in the
// file as it is (folded, escaped), it is the node's own position.
func (n *node) within(line, column int) position {
	if n.kind != kindText || line < 1 || column < 1 {
		return n.at
	}
	lines := strings.Split(n.text, "\n")
	if line > len(lines) {
		return n.at
	}
	at := n.at
	if n.block() {
		at.line += line
	} else if line > 1 {
		return n.at
	}
	written := []rune(at.src.line(at.line))
	begin := at.column - 1
	switch {
	case n.style&yaml.FoldedStyle != 0:
		return n.at
	case n.block():
		begin = len(written) - len([]rune(lines[line-1]))
	case begin < len(written) && (written[begin] == '"' || written[begin] == '\''):
		begin++
	}
	if begin < 0 || begin > len(written) || !strings.HasPrefix(string(written[begin:]), lines[line-1]) {
		return n.at
	}
	at.column = begin + column
	return at
}
