package config

import (
	"path/filepath"
	"strings"
)

// source is one file, with what is needed to point into it.
type source struct {
	name string
	// dir is where relative paths in the file begin.
	dir string
	// order is the place of the file in the reading order.
	order int
	lines []string
	// scalars are all of the file's, keys among them, in the order of their positions.
	scalars []*node
	// unparsed says that the file has no tree, so nothing is known about what its text means.
	unparsed bool
}

// newSource makes a source of a file's text.
func newSource(name, dir string, order int, content string) *source {
	return &source{name: name, dir: dir, order: order, lines: strings.Split(content, "\n")}
}

// whole is the position of mistakes that have no line.
func (s *source) whole() position { return position{src: s} }

// resolve makes a path of the file relative to where the process runs.
func (s *source) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path) // so that one file has one name
	}
	return filepath.Join(s.dir, path)
}

// line is a line by its number, from 1; empty where there is none.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}
