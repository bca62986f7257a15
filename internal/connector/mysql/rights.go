package mysql

import (
	"fmt"
	"slices"
	"strings"
)

// right is one line of SHOW GRANTS: a role, or privileges on something.
type right struct {
	Roles      []string
	Privileges []string
	// Database is the name or pattern of a database as it stands in GRANT, or * for all.
	Database string
	// Whole: it is about all of the database, not about one table or routine.
	Whole bool
	// Grantable: it can be handed on.
	Grantable bool
	// Holder is whose it is.
	Holder string
}

// parseRight reads a line of SHOW GRANTS. A line that gives nothing yields false; one that cannot be read is an error: it
// might give anything.
func parseRight(line string) (r right, gives bool, err error) {
	masked := maskQuoted(line)
	if strings.HasPrefix(masked, "SET DEFAULT ROLE ") || strings.HasPrefix(masked, "REVOKE ") {
		return r, false, nil
	}
	to := strings.LastIndex(masked, " TO ")
	if !strings.HasPrefix(masked, "GRANT ") || to < 0 {
		return r, false, fmt.Errorf("the server shows a right that cannot be read")
	}
	if r.Holder, _, err = cutName(line[to+len(" TO "):]); err != nil {
		return r, false, err
	}
	tail := masked[to:]
	r.Grantable = strings.Contains(tail, " WITH GRANT OPTION") || strings.Contains(tail, " WITH ADMIN OPTION") || strings.Contains(tail, " GRANT OPTION ")
	on := strings.LastIndex(masked[:to], " ON ")
	if on < 0 {
		r.Roles, err = names(line[len("GRANT "):to])
		return r, true, err
	}
	r.Privileges = privilegesOf(masked[len("GRANT "):on])
	object := strings.TrimSpace(line[on+len(" ON ") : to])
	for _, kind := range []string{"FUNCTION ", "PROCEDURE ", "PACKAGE BODY ", "PACKAGE ", "TABLE "} {
		object = strings.TrimPrefix(object, kind)
	}
	if object == "*.*" {
		r.Database, r.Whole = "*", true
		return r, true, nil
	}
	name, rest, err := cutName(object)
	r.Database, r.Whole = name, rest == ".*"
	return r, err == nil, err
}

// maskQuoted replaces what stands in quotes, so that words can be looked for.
func maskQuoted(s string) string {
	b := []byte(s)
	var quote byte
	for i, c := range b {
		switch {
		case quote == 0 && (c == '`' || c == '\''):
			quote = c
		case quote == c:
			quote = 0
		case quote != 0:
			b[i] = '?'
		}
	}
	return string(b)
}

// privilegesOf are the privileges of a masked list, without the columns that they are for.
func privilegesOf(masked string) []string {
	depth := 0
	plain := strings.Map(func(r rune) rune {
		switch r {
		case '(':
			depth++
			return -1
		case ')':
			depth--
			return -1
		}
		if depth > 0 {
			return -1
		}
		return r
	}, masked)
	var all []string
	for p := range strings.SplitSeq(plain, ",") {
		all = append(all, strings.TrimSpace(p))
	}
	return all
}

// names are the names of a list, without their hosts.
func names(list string) ([]string, error) {
	masked := maskQuoted(list)
	var all []string
	for list != "" {
		end := strings.IndexByte(masked, ',')
		if end < 0 {
			end = len(list)
		}
		name, _, err := cutName(strings.TrimSpace(list[:end]))
		if err != nil {
			return nil, err
		}
		all = append(all, name)
		list, masked = list[min(end+1, len(list)):], masked[min(end+1, len(list)):]
	}
	return all, nil
}

// cutName reads a name in quotes from the beginning of s.
func cutName(s string) (name, rest string, err error) {
	if s == "" || s[0] != '`' && s[0] != '\'' {
		return "", "", fmt.Errorf("the server shows a right that cannot be read")
	}
	quote := s[:1]
	for i := 1; i < len(s); i++ {
		if s[i] != quote[0] {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote[0] {
			i++
			continue
		}
		return strings.ReplaceAll(s[1:i], quote+quote, quote), s[i+1:], nil
	}
	return "", "", fmt.Errorf("the server shows a right that cannot be read")
}

// opens reports whether the right lets somebody do something with the database.
func (r right) opens(database string) bool {
	return r.Database != "*" && r.Roles == nil && !slices.Equal(r.Privileges, []string{"USAGE"}) && r.covers(database)
}

// covers reports whether the right is about the database. Its name is a pattern where it stands for all of a database.
func (r right) covers(database string) bool {
	return r.Database == "*" || r.Database == database || r.Whole && like(r.Database, database)
}

// like reports whether a text is as SQL's LIKE wants it: _ is one character, % any number, and \ takes a meaning away.
func like(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	// back are the places to go on from when the last % takes one more character.
	backP, backT := -1, 0
	i, j := 0, 0
	for j < len(t) {
		literal := i < len(p) && p[i] == '\\' && i+1 < len(p)
		switch {
		case literal && p[i+1] == t[j]:
			i, j = i+2, j+1
		case !literal && i < len(p) && p[i] == '%':
			backP, backT = i+1, j
			i++
		case !literal && i < len(p) && (p[i] == '_' || p[i] == t[j]):
			i, j = i+1, j+1
		case backP >= 0:
			backT++
			i, j = backP, backT
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}
