package policy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// Forgotten takes a person out of inputs and decisions that are kept as JSON.
type Forgotten struct {
	Person     access.PersonID
	Principals []access.PrincipalID
	// As is the pseudonym that stands for the person from then on.
	As access.PersonID
}

// whyErased is what is left of the sentences of a decision on somebody who was forgotten.
const whyErased = "What was said of this has been erased with whom it was about."

// Input is the input without the person. Of a request of theirs only what says nothing about them is left; in another's
// the pseudonym stands where they could have reviewed, manage the requester, or own the resource. It reports whether anything is changed: what is
// not is to be left as it is, byte by byte.
func (f Forgotten) Input(text []byte) ([]byte, bool, error) {
	if !f.mayName(text) {
		return text, false, nil
	}
	var in Input
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, false, err
	}
	changed := true
	if in.Principal.Person == f.Person {
		in = f.remains(in)
	} else {
		changed = f.renameReviewers(in.Reviewers)
		changed = f.renamePrincipal(&in.Principal.Manager) || changed
		changed = f.forgetAsker(&in) || changed
		for i := range in.Targets {
			changed = f.renameAll(in.Targets[i].Owners) || changed
		}
		changed = f.forgetHuman(&in) || changed
	}
	if !changed {
		return text, false, nil
	}
	text, err := json.Marshal(in)
	return text, true, err
}

// Decision is the decision without the person. Its verdict and its limits stay. own says that it is on a request of theirs.
func (f Forgotten) Decision(text []byte, own bool) ([]byte, bool, error) {
	if !own && !f.mayName(text) {
		return text, false, nil
	}
	var d Decision
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, false, err
	}
	changed := own
	for i := range d.Stages {
		changed = f.renameAll(d.Stages[i].From) || changed
		if fallback := d.Stages[i].Fallback; fallback != nil {
			changed = f.renameAll(fallback.From) || changed
		}
	}
	for _, sentence := range sentences(&d) {
		was := *sentence
		if *sentence = f.renameIn(was); own && was != "" {
			*sentence = whyErased
		}
		changed = changed || *sentence != was
	}
	if !changed {
		return text, false, nil
	}
	text, err := json.Marshal(d)
	return text, true, err
}

// sentences are the texts of a decision that were made for people to read.
func sentences(d *Decision) []*string {
	list := []*string{&d.Why}
	for i := range d.Targets {
		t := &d.Targets[i]
		list = append(list, &t.Why)
		for _, trace := range [][]Considered{t.Trace, t.HumanTrace} {
			for j := range trace {
				list = append(list, &trace[j].Detail)
			}
		}
	}
	return list
}

// mayName reports whether the text can have the person in it; most has not, and is not parsed.
func (f Forgotten) mayName(text []byte) bool {
	names := []string{string(f.Person)}
	for _, id := range f.Principals {
		s := id.String()
		names = append(names, s[strings.LastIndexByte(s, '/')+1:])
	}
	return slices.ContainsFunc(names, func(name string) bool {
		quoted, err := json.Marshal(name)
		return err != nil || bytes.Contains(text, quoted[1:len(quoted)-1])
	})
}

// remains is what is left of an input of the person's.
func (f Forgotten) remains(in Input) Input {
	left := Input{
		Now: in.Now, Duration: in.Duration, Start: in.Start, BreakGlass: in.BreakGlass, MFA: in.MFA, Erased: true,
		Principal: access.Principal{
			ID: f.principal(), Kind: in.Principal.Kind, Person: f.As,
		},
	}
	for _, t := range in.Targets {
		left.Targets = append(left.Targets, Target{Entitlement: t.Entitlement, Bundle: t.Bundle, Type: t.Type, Implies: t.Implies})
	}
	return left
}

// forgetHuman takes the person out of another's input: as the human for whom an agent acted, who is then of a person other
// than the agent's, which was denied for that, and as one who could have reviewed.
func (f Forgotten) forgetHuman(in *Input) (changed bool) {
	if h := in.Human; h != nil && h.Principal.Person == f.Person || slices.Contains(f.Principals, in.Principal.ActsFor) {
		in.Human, in.Principal.ActsFor, in.Erased = nil, f.principal(), true
		return true
	}
	if in.Human == nil {
		return false
	}
	changed = f.renameReviewers(in.Human.Reviewers)
	return f.renamePrincipal(&in.Human.Principal.Manager) || changed
}

func (f Forgotten) renamePrincipal(id *access.PrincipalID) (changed bool) {
	if !slices.Contains(f.Principals, *id) {
		return false
	}
	*id = f.principal()
	return true
}

// forgetAsker leaves of who asked in another's name that they did, and nothing of what they said.
func (f Forgotten) forgetAsker(in *Input) (changed bool) {
	if in.AskedBy.Person != f.Person {
		return f.renamePrincipal(&in.AskedBy.Manager)
	}
	in.AskedBy = access.Principal{ID: f.principal(), Kind: in.AskedBy.Kind, Person: f.As}
	in.Reason, in.Ticket, in.Params = "", "", nil
	return true
}

func (f Forgotten) renameReviewers(all map[string][]Reviewer) (changed bool) {
	for selector, reviewers := range all {
		for i, r := range reviewers {
			if r.Person == f.Person {
				reviewers[i].ID, reviewers[i].Person, changed = f.principal(), f.As, true
			}
		}
		if f.means(Selector(selector)) {
			delete(all, selector)
			all[string(f.selector())] = append(all[string(f.selector())], reviewers...)
			changed = true
		}
	}
	return changed
}

// principal is the pseudonym where a principal of the person's stood.
func (f Forgotten) principal() access.PrincipalID {
	return access.PrincipalID{Issuer: access.ErasedIssuer, Subject: string(f.As)}
}

// selector is the one that the pseudonym has in place of all that mean the person alone.
func (f Forgotten) selector() Selector { return Selector(wordPerson + ":" + string(f.As)) }

// selectors mean the person and nobody else.
func (f Forgotten) selectors() []Selector {
	list := []Selector{Selector(wordPerson + ":" + string(f.Person))}
	for _, id := range f.Principals {
		list = append(list, principalSelector(id))
	}
	return list
}

func (f Forgotten) means(s Selector) bool { return slices.Contains(f.selectors(), s) }

// renameAll puts the pseudonym in place of selectors that mean the person.
func (f Forgotten) renameAll(texts []string) (changed bool) {
	for i, text := range texts {
		if f.means(Selector(text)) {
			texts[i], changed = string(f.selector()), true
		}
	}
	return changed
}

// renameIn does the same within a sentence, where a selector ends with its word.
func (f Forgotten) renameIn(sentence string) string {
	for _, s := range f.selectors() {
		for _, name := range []string{string(s), s.shown()} {
			sentence = replaceWord(sentence, name, string(f.selector()))
		}
	}
	return sentence
}

// replaceWord replaces a word wherever it ends the sentence, or a space, a comma or a full stop follows it.
func replaceWord(s, word, with string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, word)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if after == "" || strings.ContainsRune(" ,.;:)\"", rune(after[0])) {
			out.WriteString(with)
		} else {
			out.WriteString(word)
		}
		s = after
	}
}
