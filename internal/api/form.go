package api

import (
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// PageQuery is how a list is asked for in pieces.
type PageQuery struct {
	After string `query:"after" maxLength:"256" doc:"The next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (q PageQuery) page() store.Page { return store.Page{After: q.After, Limit: q.Limit} }

// parseDuration reads a Go duration; the empty text is none. A duration that was written and is zero is an error, since
// to the engine zero means that none was asked.
func parseDuration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, access.Errorf(access.KindInvalid, "The %s is no duration; write it like 30m, 4h or 1h30m.", field)
	}
	if d <= 0 {
		return 0, access.Errorf(access.KindInvalid, "The %s must be at least %s.", field, access.MinDuration)
	}
	return d, nil
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// utc is t for JSON, where the zero time is left out.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// principalText is how people write a principal: one of the static source by its bare name, others whole.
func principalText(p access.PrincipalID) string {
	if p.Issuer != access.StaticIssuer {
		return p.String()
	}
	return strings.TrimPrefix(p.String(), access.StaticIssuer+"/")
}

// parsePrincipal reads what principalText writes.
func parsePrincipal(field, text string) (access.PrincipalID, error) {
	id, err := access.ParsePrincipalID(text)
	if err != nil {
		return id, access.Wrap(access.KindInvalid, err, "In "+field+", a principal is written ISSUER/SUBJECT, or as a bare name of the static source.")
	}
	return id, nil
}

// groupText is how people write the group SOURCE/NAME.
func groupText(group string) string { return strings.TrimPrefix(group, access.StaticIssuer+"/") }

// selectorTexts are selectors of people as people write them.
func selectorTexts(selectors []string) []string {
	out := make([]string, len(selectors))
	for i, s := range selectors {
		word, name, _ := strings.Cut(s, ":")
		out[i] = s
		bare, static := strings.CutPrefix(name, access.StaticIssuer+"/")
		if static && (word == "group" || word == "principal") && !strings.Contains(bare, "/") {
			out[i] = word + ":" + bare
		}
	}
	return out
}

// maxID bounds an identifier, in bytes.
const maxID = 64

// parseID checks the form of an identifier. What cannot be one is not found, like what belongs to somebody else.
func parseID[T ~string](noun, prefix, text string) (T, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	strange := strings.ContainsFunc(rest, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
	})
	if !ok || rest == "" || strange || len(text) > maxID {
		return "", access.Errorf(access.KindNotFound, "There is no such %s.", noun)
	}
	return T(text), nil
}

func requestID(text string) (access.RequestID, error) {
	return parseID[access.RequestID]("request", access.RequestPrefix, text)
}

func grantID(text string) (access.GrantID, error) {
	return parseID[access.GrantID]("grant", access.GrantPrefix, text)
}
