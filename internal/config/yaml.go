package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds nesting. The deepest key of the schema stands at 7; connectors may need a few more.
const maxDepth = 20

// parse turns the text of a source into nodes. It returns nil after a mistake that leaves no tree.
func parse(src *source, content string, c *collector) *node {
	if !checkCharacters(src, content, c) {
		return nil
	}
	lines := &lineReader{rest: content}
	stream := yaml.NewDecoder(lines)
	var doc, further yaml.Node
	err := stream.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &node{kind: kindMapping, at: src.whole()}
	}
	if err == nil {
		if err = stream.Decode(&further); err == nil {
			c.add(position{src, further.Line, further.Column}, "a file holds one document; put further ones into files of their own in a folder")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		src.unparsed = true
		at, msg := syntaxMistake(src, lines.handed, err)
		c.add(at, "%s", msg)
		return nil
	}
	b := builder{src, c}
	root := b.build(doc.Content[0], 0)
	root.incomplete = further.Kind != 0
	switch {
	case root.kind == kindNothing:
		return &node{kind: kindMapping, at: src.whole()}
	case root.kind != kindMapping:
		c.add(root.at, "a configuration is a mapping with keys such as server and policies, not %s", root.kind)
		return nil
	}
	return root
}

// checkCharacters refuses what no editor shows.
func checkCharacters(src *source, content string, c *collector) bool {
	if !utf8.ValidString(content) {
		c.add(src.whole(), "the file is not UTF-8 text; save it as UTF-8")
		return false
	}
	line, column := 1, 0
	for _, r := range content {
		column++
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r == '\t':
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff':
			src.unparsed = true
			c.add(position{src, line, column}, "the invisible character U+%04X is not allowed; remove it", r)
			return false
		}
	}
	return true
}

// lineReader hands out a text line by line, so that it is known how far the parser has come.
type lineReader struct {
	rest   string
	handed int
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	end := strings.IndexByte(r.rest, '\n') + 1
	if end == 0 {
		end = len(r.rest)
	}
	n := copy(p, r.rest[:end])
	if n == end {
		r.handed++
	}
	r.rest = r.rest[n:]
	return n, nil
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)

// syntaxMistake takes the library's error apart. It names a line at best: that of a token that cannot be, or, counted
// from 0, that where the mapping or list begins in which something is missing. What it says of aliases and anchors
// quotes them, and a text that begins with * or & may well have been meant to be something else.
func syntaxMistake(src *source, reached int, err error) (position, string) {
	m := syntaxError.FindStringSubmatch(err.Error())
	if m == nil {
		return src.whole(), "this is not YAML"
	}
	line, _ := strconv.Atoi(m[1])
	what := m[2]
	switch {
	case strings.Contains(what, "anchor"), strings.Contains(what, "alphabetic or numeric character"):
		what = "* and & begin aliases and anchors, which are not allowed; put quotes round a text that begins so, as in '**'"
	case strings.HasPrefix(what, "did not find expected"):
		if line++; reached > line {
			what += fmt.Sprintf("; look from here to line %d", reached)
		}
	case strings.HasPrefix(src.line(line), "\t"):
		what = "a line begins with a tab; indent with spaces"
	}
	text := src.line(line)
	column := len(text) - len(strings.TrimLeft(text, " \t")) + 1
	if line == 0 {
		column = 0
	}
	return position{src, line, column}, "this is not YAML: " + what
}

// builder makes nodes of the library's.
type builder struct {
	src *source
	c   *collector
}

func (b builder) build(y *yaml.Node, depth int) *node {
	n := &node{at: position{b.src, y.Line, y.Column}}
	if depth > maxDepth {
		b.refuse(n, "this is nested too deeply: at most %d levels", maxDepth)
		return n
	}
	b.checkFeatures(y, n)
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = kindMapping
		b.mapping(y, n, depth)
	case yaml.SequenceNode:
		n.kind = kindList
		for _, item := range y.Content {
			n.items = append(n.items, b.build(item, depth+1))
		}
	case yaml.ScalarNode:
		b.scalar(y, n)
	}
	return n
}

func (b builder) refuse(n *node, format string, args ...any) {
	n.bad = true
	b.c.add(n.at, format, args...)
}

// checkFeatures refuses the parts of YAML that make a file mean something other than what it shows.
func (b builder) checkFeatures(y *yaml.Node, n *node) {
	switch {
	case y.Kind == yaml.AliasNode:
		b.refuse(n, "aliases (*name) are not allowed: what a policy says must stand where it is read; write it out")
	case y.Anchor != "":
		b.refuse(n, "anchors (&name) are not allowed: what a policy says must stand where it is read; write it out")
	case y.Style&yaml.TaggedStyle != 0:
		b.refuse(n, "tags (!name) are not allowed; put quotes round a text that begins with !")
	case y.Kind == yaml.ScalarNode && !endsOnItsLine(b.src.line(y.Line), y):
		b.refuse(n, "this text goes on over several lines, as it does when a line is indented too far or a quotation mark is missing; write it on one line, or behind | or >")
	}
}

// quoted are texts in quotation marks, with what is escaped in them.
var quoted = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')`)

// endsOnItsLine reports whether a scalar that is no block ends on the line on which it begins.
func endsOnItsLine(line string, y *yaml.Node) bool {
	rest := []rune(line)
	rest = rest[min(len(rest), max(0, y.Column-1)):]
	switch {
	case y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return true
	case y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return quoted.MatchString(string(rest))
	default:
		return strings.HasPrefix(string(rest), y.Value)
	}
}

func (b builder) mapping(y *yaml.Node, n *node, depth int) {
	first := make(map[string]*node, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := b.build(y.Content[i], depth+1)
		value := b.build(y.Content[i+1], depth+1)
		if value.kind == kindNothing && value.text == "" {
			value.at = key.at // an absent value has no place of its own
		}
		switch earlier := first[key.text]; {
		case key.bad:
		case y.Content[i].ShortTag() == "!!merge":
			b.refuse(key, "merge keys (<<) are not allowed: write the keys out")
		case key.kind != kindText:
			b.refuse(key, "a key is text, not %s; put it in quotes", key.kind)
		case earlier != nil:
			key.public = keyLike.MatchString(key.text)
			b.refuse(key, "this key is written twice; the first is on line %d", earlier.at.line)
		default:
			first[key.text] = key
			n.entries = append(n.entries, entry{key, value})
			continue
		}
		n.incomplete = true
	}
}

func (b builder) scalar(y *yaml.Node, n *node) {
	n.text, n.style = y.Value, y.Style
	if y.Value != "" || y.Style != 0 {
		b.src.scalars = append(b.src.scalars, n)
	}
	var err error
	switch y.ShortTag() {
	case "!!null":
		n.kind = kindNothing
	case "!!bool":
		n.kind = kindBool
		n.value = strings.EqualFold(y.Value, "true")
	case "!!int":
		n.kind = kindInteger
		var i int64
		err = y.Decode(&i)
		n.value = i
	case "!!float":
		n.kind = kindDecimal
		var f float64
		err = y.Decode(&f)
		n.value = f
	default:
		n.kind = kindText
	}
	if err != nil && !n.bad {
		b.refuse(n, "the number is too large")
	}
}
