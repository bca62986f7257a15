package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Showable reports whether a text that a source tells has only characters that people see as they are: no control characters, none that
// turn the direction of text around, and nothing that is not UTF-8. What somebody is called stands beside whose request it is, and at many a
// source people choose it themselves.
func Showable(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool {
		return c == utf8.RuneError || unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)
	})
}
