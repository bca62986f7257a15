package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
)

// Selector is the canonical text of a selector: a way to say which principals are meant. It is made by ParseSelector, so
// that equal selectors are equal strings.
type Selector string

// The selectors without an argument.
const (
	// Anyone is every principal.
	Anyone Selector = "anyone"
	// OwnerOfResource is whoever Target.Owners says.
	OwnerOfResource Selector = "owner-of-resource"
	// ManagerOfRequester is whoever access.Principal.Manager of the requester says.
	ManagerOfRequester Selector = "manager-of-requester"
)

// The words before the colon of the selectors with an argument.
const (
	wordGroup     = "group"
	wordPrincipal = "principal"
	wordPerson    = "person"
	wordKind      = "kind"
)

// maxSelector bounds a selector, in bytes.
const maxSelector = 600

// plainSelectors are those without an argument.
func plainSelectors() []Selector { return []Selector{Anyone, OwnerOfResource, ManagerOfRequester} }

// ParseSelector reads "group:SOURCE/NAME", "principal:ISSUER/SUBJECT", "person:ID", "kind:human", "anyone",
// "owner-of-resource" or "manager-of-requester". A group or principal without a slash belongs to the static source. Case is exact. Its errors are
// safe to show and name a near miss.
func ParseSelector(text string) (Selector, error) {
	if len(text) > maxSelector {
		return "", fmt.Errorf("a selector of %d bytes is longer than %d", len(text), maxSelector)
	}
	if s := Selector(text); slices.Contains(plainSelectors(), s) {
		return s, nil
	}
	word, argument, _ := strings.Cut(text, ":")
	if err := checkName(argument); err != nil && isSelectorWord(word) {
		return "", fmt.Errorf("selector %q: after %s: comes a name: %w", text, word, err)
	}
	switch word {
	case wordGroup:
		return groupSelector(argument)
	case wordPrincipal:
		id, err := access.ParsePrincipalID(argument)
		if err != nil {
			return "", fmt.Errorf("selector %q: %w", text, err)
		}
		return principalSelector(id), nil
	case wordPerson:
		return Selector(text), nil
	case wordKind:
		return kindSelector(argument)
	}
	return "", unknownSelector(text)
}

// Matches reports whether the principal is meant. OwnerOfResource and ManagerOfRequester match nobody: whose resource, and
// whose request, must be said first.
func (s Selector) Matches(p access.Principal) bool {
	return slices.Contains(selectorsOf(p), s)
}

// selectorsOf lists every selector that means p: the one definition of matching.
func selectorsOf(p access.Principal) []Selector {
	s := make([]Selector, 0, len(p.Groups)+4)
	s = append(s, Anyone, Selector(wordKind+":"+string(p.Kind)), principalSelector(p.ID), Selector(wordPerson+":"+string(p.Person)))
	for _, g := range p.Groups {
		s = append(s, Selector(wordGroup+":"+g))
	}
	return s
}

func principalSelector(id access.PrincipalID) Selector {
	return Selector(wordPrincipal + ":" + id.String())
}

func groupSelector(group string) (Selector, error) {
	source, name, ok := strings.Cut(group, "/")
	if !ok {
		source, name = access.StaticIssuer, group
	}
	if source == "" || name == "" {
		return "", fmt.Errorf("group %q: want NAME or SOURCE/NAME", group)
	}
	return Selector(wordGroup + ":" + source + "/" + name), nil
}

func kindSelector(kind string) (Selector, error) {
	kinds := []string{string(access.Human), string(access.Service), string(access.Agent)}
	if !slices.Contains(kinds, kind) {
		return "", fmt.Errorf("kind %q: want %s%s", kind, strings.Join(kinds, ", "), nearMiss(kind, kinds...))
	}
	return Selector(wordKind + ":" + kind), nil
}

func isSelectorWord(word string) bool {
	return slices.Contains([]string{wordGroup, wordPrincipal, wordPerson, wordKind}, word)
}

func unknownSelector(text string) error {
	const form = "want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester"
	word, _, hasArgument := strings.Cut(text, ":")
	if hasArgument {
		if near := nearMiss(word, wordGroup, wordPrincipal, wordPerson, wordKind); near != "" {
			return fmt.Errorf("selector %q: unknown word %q%s", text, word, near)
		}
		return fmt.Errorf("selector %q: unknown word %q; %s", text, word, form)
	}
	if near := nearMiss(text, string(Anyone), string(OwnerOfResource), string(ManagerOfRequester)); near != "" {
		return fmt.Errorf("selector %q%s", text, near)
	}
	return fmt.Errorf("selector %q: %s", text, form)
}

// isOwner reports whether a selector may stand in Target.Owners: it names somebody, not everybody.
func isOwner(s Selector) bool {
	word, _, _ := strings.Cut(string(s), ":")
	return word == wordGroup || word == wordPrincipal || word == wordPerson
}

// neverReviews reports whether only principals that are not human are meant.
func neverReviews(s Selector) bool {
	return s == Selector(wordKind+":"+string(access.Service)) || s == Selector(wordKind+":"+string(access.Agent))
}

// atMostOne reports whether at most one person is meant, whatever the directory says.
func atMostOne(s Selector) bool {
	word, _, _ := strings.Cut(string(s), ":")
	return word == wordPrincipal || word == wordPerson || s == ManagerOfRequester
}

// shown is the selector as people write it: the static source is left out.
func (s Selector) shown() string {
	for _, word := range []string{wordGroup, wordPrincipal} {
		if name, ok := strings.CutPrefix(string(s), word+":"+access.StaticIssuer+"/"); ok && !strings.Contains(name, "/") {
			return word + ":" + name
		}
	}
	return string(s)
}

// checkName refuses names that cannot be compared by eye.
func checkName(name string) error {
	if name == "" {
		return errors.New("it is empty")
	}
	if !utf8.ValidString(name) {
		return errors.New("it is not valid UTF-8")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("it has the unprintable character U+%04X", r)
		}
	}
	return nil
}
