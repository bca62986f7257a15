package changecontrol

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func human(name, person string) access.Principal {
	return access.Principal{ID: access.PrincipalID{Issuer: "static", Subject: name}, Kind: access.Human, Person: access.PersonID(person)}
}

// judged is a judgement with administrators, of whom the persons named behind are widened.
func judged(administrators []access.Principal, widened ...string) (j Judgement) {
	j.Administrators = administrators
	for _, person := range widened {
		j.Widened = append(j.Widened, Widening{Principal: human(person, person).ID, Person: access.PersonID(person), Why: "because"})
	}
	return j
}

func approvals(by ...access.Principal) (list []store.ConfigurationApproval) {
	for _, p := range by {
		list = append(list, store.ConfigurationApproval{By: p.ID, Person: p.Person})
	}
	return list
}

func TestWhoMustAgree(t *testing.T) {
	ada, bo, cy := human("ada", "ada"), human("bo", "bo"), human("cy", "cy")
	adaToo := human("ada-admin", "ada")
	for name, c := range map[string]struct {
		j              Judgement
		by             []access.Principal
		agreed, nobody bool
	}{
		"nobody has approved":                       {judged([]access.Principal{ada, bo}, "ada"), nil, false, false},
		"one whom it does not widen":                {judged([]access.Principal{ada, bo}, "ada"), []access.Principal{bo}, true, false},
		"the one whom it widens":                    {judged([]access.Principal{ada, bo}, "ada"), []access.Principal{ada}, false, false},
		"two whom it widens, and a third is there":  {judged([]access.Principal{ada, bo, cy}, "ada", "bo"), []access.Principal{ada, bo}, false, false},
		"two whom it widens, and nobody else is":    {judged([]access.Principal{ada, bo}, "ada", "bo"), []access.Principal{ada, bo}, true, false},
		"one person with two accounts":              {judged([]access.Principal{ada, adaToo, bo}, "ada", "bo"), []access.Principal{ada, adaToo}, false, false},
		"one who is no administrator any more":      {judged([]access.Principal{ada, bo}, "ada"), []access.Principal{cy}, false, false},
		"the only administrator, with two accounts": {judged([]access.Principal{ada, adaToo}, "ada"), nil, false, true},
		"a new administrator beside the only one":   {judged([]access.Principal{ada}, "bo"), []access.Principal{ada}, true, false},
		"no administrator at all":                   {judged(nil, "bo"), nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			// The store keeps one approval for each person.
			one := map[access.PersonID]bool{}
			var kept []store.ConfigurationApproval
			for _, a := range approvals(c.by...) {
				if !one[a.Person] {
					kept = append(kept, a)
				}
				one[a.Person] = true
			}
			if got := c.j.agreed(kept); got != c.agreed {
				t.Errorf("enough have agreed is %t, want %t", got, c.agreed)
			}
			if got := c.j.nobodyElse(); got != c.nobody {
				t.Errorf("nobody could ever agree is %t, want %t", got, c.nobody)
			}
		})
	}
}

// What an entry says of whom a version widens is bounded.
func TestWidensIsBounded(t *testing.T) {
	var many []string
	for range 1000 {
		many = append(many, strings.Repeat("é", 20))
	}
	if text := judged(nil, many...).widens(); len(text) > maxWidens+len(" …") || !strings.HasSuffix(text, " …") {
		t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-10:])
	}
}
