package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/curfewhq/curfew/internal/access"
)

// Bounds of a set of policies.
const (
	maxPolicies = 10_000
	// maxList bounds who, what and from.
	maxList   = 256
	maxStages = 8
	maxCount  = 32
	maxWithin = 30 * 24 * time.Hour
)

var policyName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// compileAll compiles every policy and collects every mistake.
func compileAll(l *language, policies []Policy) ([]*compiled, error) {
	if len(policies) > maxPolicies {
		return nil, fmt.Errorf("%d policies are more than %d", len(policies), maxPolicies)
	}
	var mistakes []error
	first := make(map[string]int, len(policies))
	out := make([]*compiled, len(policies))
	for i, p := range policies {
		c := checker{language: l, position: i, name: p.Name}
		out[i] = c.policy(p)
		if earlier, taken := first[p.Name]; taken && p.Name != "" {
			c.addf(field("name"), "the name is taken by policy number %d; names are unique", earlier+1)
		} else {
			first[p.Name] = i
		}
		for _, m := range c.mistakes {
			mistakes = append(mistakes, m)
		}
	}
	return out, errors.Join(mistakes...)
}

// checker checks one policy, makes it canonical, and collects its mistakes.
type checker struct {
	language *language
	position int
	name     string
	mistakes []*Error
}

// field is the path to a field.
func field(keys ...string) []string { return keys }

func (c *checker) addf(path []string, format string, args ...any) {
	c.mistakes = append(c.mistakes, &Error{Policy: c.position, Name: c.name, Path: path, Msg: fmt.Sprintf(format, args...)})
}

func (c *checker) policy(p Policy) *compiled {
	out := &compiled{Policy: p, position: c.position}
	if !policyName.MatchString(p.Name) {
		c.addf(field("name"), "name %q: want 1 to 63 of a-z 0-9 -", p.Name)
	}
	c.effect(p)
	out.Who = c.selectors(field("who"), p.Who)
	if at := slices.Index(p.Who, string(ManagerOfRequester)); at >= 0 {
		c.addf(field("who", strconv.Itoa(at)), "%s says who reviews, not who asks: it stands in approve", ManagerOfRequester)
	}
	if out.OnBehalfOf = nil; len(p.OnBehalfOf) > 0 {
		out.OnBehalfOf = c.selectors(field("on_behalf_of"), p.OnBehalfOf)
	}
	if at := slices.Index(p.OnBehalfOf, string(OwnerOfResource)); at >= 0 {
		c.addf(field("on_behalf_of", strconv.Itoa(at)), "%s says who reviews, or asks for themselves: name those who may ask for others", OwnerOfResource)
	}
	out.What, out.patterns = c.patterns(p.What)
	out.when = c.expression("when", p.When, cel.BoolType)
	out.until = c.expression("until", p.Until, cel.TimestampType)
	out.Stages = c.stages(p.Stages)
	out.BreakGlass = c.breakGlass(p.BreakGlass)
	return out
}

// effect checks that the policy has what its effect needs, and nothing that its effect would ignore.
func (c *checker) effect(p Policy) {
	switch p.Effect {
	case EffectAllow:
		c.duration(field("max_duration"), p.MaxDuration, access.MaxDuration)
		switch {
		case p.Auto && len(p.Stages) > 0:
			c.addf(field("approve"), "want either auto or stages, not both")
		case !p.Auto && len(p.Stages) == 0:
			c.addf(field("approve"), "nobody would have to agree: say approve: auto if that is meant, or list at least one stage")
		}
	case EffectDeny:
		c.without(p, EffectDeny)
		if p.Require != (Requirements{}) {
			c.addf(field("require"), "a deny policy requires nothing; use when, or effect guard")
		}
		if len(p.Stages) > 0 {
			c.addf(field("approve"), "a deny policy has no stages; use effect guard to demand reviews")
		}
	case EffectGuard:
		c.without(p, EffectGuard)
		if p.Require == (Requirements{}) && len(p.Stages) == 0 {
			c.addf(field("require"), "the guard adds nothing: want require, or stages in approve")
		}
	default:
		effects := []string{string(EffectAllow), string(EffectDeny), string(EffectGuard)}
		c.addf(field("effect"), "effect %q: want allow, deny or guard%s", p.Effect, nearMiss(string(p.Effect), effects...))
	}
}

// without refuses the fields that only an allowing policy has.
func (c *checker) without(p Policy, e Effect) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"approve", p.Auto},
		{"max_duration", p.MaxDuration != 0},
		{"until", p.Until != ""},
		{"on_behalf_of", len(p.OnBehalfOf) > 0},
		{"break_glass", p.BreakGlass != nil},
	} {
		if f.set {
			c.addf(field(f.name), "a %s policy allows nothing, so that this would have no effect; remove it", e)
		}
	}
}

// duration checks a duration of whole seconds.
func (c *checker) duration(path []string, d, most time.Duration) {
	switch {
	case d < access.MinDuration || d > most:
		c.addf(path, "%s: want a duration from %s to %s", d, shortDuration(access.MinDuration), shortDuration(most))
	case d%time.Second != 0:
		c.addf(path, "%s: want whole seconds", d)
	}
}

// selectors makes a list of selectors canonical: parsed, sorted, each once.
func (c *checker) selectors(path []string, texts []string) []string {
	if !c.size(path, len(texts)) {
		return nil
	}
	out := make([]string, 0, len(texts))
	for i, text := range texts {
		s, err := ParseSelector(text)
		if err != nil {
			c.addf(slices.Concat(path, field(strconv.Itoa(i))), "%v", err)
			continue
		}
		out = append(out, string(s))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// patterns makes the list of patterns canonical and compiles it.
func (c *checker) patterns(texts []string) ([]string, []pattern) {
	if !c.size(field("what"), len(texts)) {
		return nil, nil
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(texts)))
	out := make([]pattern, 0, len(sorted))
	for _, text := range sorted {
		p, err := parsePattern(text)
		if err != nil {
			c.addf(field("what", strconv.Itoa(slices.Index(texts, text))), "%v", err)
			continue
		}
		out = append(out, p)
	}
	return sorted, out
}

func (c *checker) size(path []string, n int) bool {
	switch {
	case n == 0:
		c.addf(path, "the list is empty, so that nothing would match; want at least one entry")
	case n > maxList:
		c.addf(path, "%d entries are more than %d", n, maxList)
	default:
		return true
	}
	return false
}

func (c *checker) expression(name, text string, want *cel.Type) *expression {
	if text == "" {
		return nil
	}
	e, mistakes := c.language.compile(text, want)
	for _, m := range mistakes {
		c.mistakes = append(c.mistakes, &Error{
			Policy: c.position, Name: c.name, Path: field(name), Line: m.line, Column: m.column, Msg: m.msg,
		})
	}
	return e
}

func (c *checker) stages(stages []Stage) []Stage {
	if len(stages) > maxStages {
		c.addf(field("approve"), "%d stages are more than %d", len(stages), maxStages)
		return nil
	}
	var out []Stage
	for i, s := range stages {
		out = append(out, c.stage(field("approve", strconv.Itoa(i)), s))
	}
	return out
}

func (c *checker) stage(path []string, s Stage) Stage {
	at := func(name string) []string { return slices.Concat(path, field(name)) }
	if s.Within == 0 {
		s.Within = DefaultWithin
	}
	c.duration(at("within"), s.Within, maxWithin)
	if s.Count < 1 || s.Count > maxCount {
		c.addf(at("count"), "%d: want 1 to %d people", s.Count, maxCount)
	}
	known := len(c.mistakes)
	s.From = c.selectors(at("from"), s.From)
	if len(c.mistakes) == known {
		c.reviewers(at("from"), s)
	}
	s.Fallback = c.fallback(at("fallback"), s)
	return s
}

// fallback makes a stage's fallback canonical. It asks somebody whom the stage does not ask already.
func (c *checker) fallback(path []string, s Stage) *Fallback {
	if s.Fallback == nil {
		return nil
	}
	at := func(name string) []string { return slices.Concat(path, field(name)) }
	out := Fallback{Within: cmp.Or(s.Fallback.Within, DefaultWithin)}
	c.duration(at("within"), out.Within, maxWithin)
	known := len(c.mistakes)
	if out.From = c.selectors(at("from"), s.Fallback.From); len(c.mistakes) > known {
		return &out
	}
	for _, from := range out.From {
		if neverReviews(Selector(from)) {
			c.addf(at("from"), "%s: only humans review", from)
		}
	}
	if !slices.ContainsFunc(out.From, func(from string) bool { return !slices.Contains(s.From, from) }) {
		c.addf(at("from"), "everybody here stands in the stage from the beginning: name others, or remove the fallback")
	}
	return &out
}

// reviewers refuses what can be seen, without a directory, to leave a stage without enough people.
func (c *checker) reviewers(path []string, s Stage) {
	people := 0
	for _, from := range s.From {
		selector := Selector(from)
		if neverReviews(selector) {
			c.addf(path, "%s: only humans review", selector)
		}
		if atMostOne(selector) {
			people++
		} else {
			people = maxCount
		}
	}
	if people < s.Count {
		c.addf(path, "the stage wants %d people and names %d, so that it could never be passed", s.Count, people)
	}
}

func (c *checker) breakGlass(b *BreakGlass) *BreakGlass {
	if b == nil {
		return nil
	}
	c.duration(field("break_glass", "report_within"), b.ReportWithin, access.MaxDuration)
	out := *b
	out.ReviewBy = c.selectors(field("break_glass", "review_by"), b.ReviewBy)
	if len(b.Alert) > 0 {
		out.Alert = c.selectors(field("break_glass", "alert"), b.Alert)
	}
	return &out
}
