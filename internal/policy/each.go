package policy

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// DecideEach decides each target as Decide would if it were the only one. Of targets that the policies cannot tell apart
// one is judged, so that it costs little to list everything there is. The decisions share what they have in common: nobody
// changes it.
func (s *Set) DecideEach(in Input) []Decision {
	decisions := s.decideEachAlone(in)
	if !in.narrows() {
		return decisions
	}
	for i, human := range s.decideEachAlone(in.ForHuman()) {
		decisions[i] = narrow(decisions[i], human)
	}
	return decisions
}

func (s *Set) decideEachAlone(in Input) []Decision {
	targets := in.Targets
	if len(targets) == 0 {
		return nil
	}
	in.Now, in.Start, in.Targets = in.Now.UTC(), in.Start.UTC(), targets[:1]
	decisions := make([]Decision, len(targets))
	if why := in.problem(); why != "" {
		for i := range targets {
			decisions[i] = refuse(&Input{Targets: targets[i : i+1]}, why)
		}
		return decisions
	}
	h := s.hear(&in)
	h.facts = s.language.bind(in.Facts)
	seen := &sight{subject: subject{in: &in, begin: h.begin, vars: s.vars}}
	known := map[string]precedent{}
	for i := range targets {
		t := &targets[i]
		owners, why := t.admit()
		if why != "" {
			decisions[i] = sum([]ruling{denied(t, why)})
			continue
		}
		policies := h.concerning(t, owners)
		key := seen.of(t, owners, policies)
		p, found := known[string(key)]
		if !found {
			p.judgement = &judgement{hearing: h, target: t, owners: owners}
			p.consider(policies)
			p.decision = sum([]ruling{p.reach()})
			known[string(key)] = p
		}
		decisions[i] = p.applied(t)
	}
	return decisions
}

// precedent is the decision on one target, and how it came about.
type precedent struct {
	*judgement
	decision Decision
}

// applied is the decision on a target that the policies cannot tell from that of the precedent. A refusal may name the
// entitlement, so its sentence is made anew.
func (p precedent) applied(t *Target) Decision {
	if p.decision.Verdict == VerdictDenied {
		p.target = t
		return sum([]ruling{p.rule()})
	}
	d := p.decision
	d.Targets = slices.Clone(d.Targets)
	d.Targets[0].Entitlement, d.Targets[0].Implies = t.Entitlement, t.Implies
	return d
}

// targetVariables is how the names of the variables begin that are about the target.
const targetVariables = "resource."

// sight is what policies see of one target after the other.
type sight struct {
	subject subject
	bytes   []byte
	// keys is room for the names of labels.
	keys []string
}

// of is everything about a target that these policies, which are all that concern it, go by: who owns it, and what their
// expressions read of it. Equal bytes mean that they decide alike. They hold until the next call.
func (s *sight) of(t *Target, owners []Selector, policies []*compiled) []byte {
	s.subject.target = t
	b := binary.AppendUvarint(s.bytes[:0], uint64(len(owners)))
	for _, o := range owners {
		b = appendText(b, string(o))
	}
	for _, p := range policies {
		b = binary.AppendUvarint(b, uint64(p.position))
		for _, e := range [...]*expression{p.when, p.until} {
			for _, name := range e.variables() {
				if strings.HasPrefix(name, targetVariables) {
					b = s.appendValue(b, s.subject.vars[name].value(&s.subject), t)
				}
			}
		}
	}
	s.bytes = b
	return b
}

// appendValue appends the value of a variable; of one that it does not know, it appends which target it is of.
func (s *sight) appendValue(key []byte, value any, t *Target) []byte {
	switch v := value.(type) {
	case string:
		return appendText(key, v)
	case map[string]string:
		key = binary.AppendUvarint(key, uint64(len(v)))
		s.keys = slices.AppendSeq(s.keys[:0], maps.Keys(v))
		slices.Sort(s.keys)
		for _, k := range s.keys {
			key = appendText(appendText(key, k), v[k])
		}
		return key
	default:
		return appendText(key, t.Entitlement.String())
	}
}

// appendText appends a text so that it cannot run into what follows.
func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}
