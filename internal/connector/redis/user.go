package redis

import (
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// Nothing can be attached to a user but rules. A selector with a key pattern and no command gives nothing, and is read
// back as it was written: (~PATTERN). Curfew's users bear their mark as one, and Curfew's own account the identity of the
// server: so it is known for exactly as long as Curfew can log in, with or without persistence, and across restarts.
const (
	markPrefix     = "curfew"
	identityPrefix = "target:"
)

// maxLabel bounds a label, in bytes.
const maxLabel = 1024

// printable is what can stand in a selector as a pattern: no spaces, no brackets.
var printable = regexp.MustCompile(`^[!-'*-~]+$`)

func isLabel(s string) bool { return len(s) <= maxLabel && printable.MatchString(s) }

// selector is the rule that gives nothing and bears the label.
func selector(label string) string { return "(~" + label + ")" }

// user is what is read of one. The zero value is one that is not there.
type user struct {
	exists bool
	// labels are the patterns of its selectors that give nothing.
	labels []string
}

// labelled is the first label that begins so, or empty.
func (u user) labelled(prefix string) string {
	for _, l := range u.labels {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}

func (u user) mark() access.Mark { return access.Mark(u.labelled(markPrefix)) }

// identity is the identity of the server, of which Curfew's own account tells.
func (u user) identity() string {
	return strings.TrimPrefix(u.labelled(identityPrefix), identityPrefix)
}

// userOf reads the answer of ACL GETUSER: names and values in turn, selectors alike.
func userOf(reply any) (user, bool) {
	fields, ok := fieldsOf(reply)
	if !ok {
		return user{}, false
	}
	selectors, ok := fields["selectors"].([]any)
	if !ok {
		return user{}, false // Redis before 7.0 has none
	}
	u := user{exists: true}
	for _, s := range selectors {
		fields, ok := fieldsOf(s)
		if !ok {
			return user{}, false
		}
		pattern, bears := strings.CutPrefix(text(fields["keys"]), "~")
		if bears && text(fields["commands"]) == "-@all" && isLabel(pattern) {
			u.labels = append(u.labels, pattern)
		}
	}
	return u, true
}

func fieldsOf(reply any) (map[string]any, bool) {
	list, ok := reply.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, false
	}
	fields := make(map[string]any, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		fields[text(list[i])] = list[i+1]
	}
	return fields, true
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// markedUser reads a line of ACL LIST: "user NAME …" and rules. Neither names nor patterns hold spaces, so a word that
// begins with a bracket begins a selector.
func markedUser(line string) (name string, mark access.Mark) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "user" {
		return "", ""
	}
	for i, word := range words[2:] {
		pattern, ok := strings.CutPrefix(word, "(~")
		rest := words[2+i+1:]
		if ok && strings.HasPrefix(pattern, markPrefix) && len(rest) > 1 && rest[0] == "resetchannels" && rest[1] == "-@all)" {
			return words[1], access.Mark(pattern)
		}
	}
	return "", ""
}
