package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// display makes text from elsewhere harmless for a terminal: whatever is not a printable character, such as an escape
// sequence, an override of the reading direction or a line break, is shown by its number.
func display(s string) string {
	if !strings.ContainsFunc(s, harmful) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0]), 16))
		case harmful(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// harmful reports whether a character could do something to a terminal, or could not be seen. Of the spaces only the
// common one passes.
func harmful(r rune) bool { return !unicode.IsPrint(r) }

// cut shortens text to a number of characters, the last of which then is an ellipsis.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// escapeJSON shows the harmful characters of a JSON document by their numbers, which mean the same to a program. Only
// strings hold any: the line breaks of the indentation stay.
func escapeJSON(document []byte) []byte {
	var out []byte
	for _, r := range string(document) {
		if r == '\n' || !harmful(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out
}
