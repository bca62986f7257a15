package canary

import (
	"regexp"
	"slices"
)

// answers is the place of all that curfewd answers.
const answers = "every answer of curfewd"

// userCode and confirmLink are shown to people by the program that they have begun.
const (
	userCode    = "the code that a device shows"
	confirmLink = "the link to a page that confirms"
)

// minted is a kind of secret that Curfew makes up, and hands to somebody in an answer.
type minted struct {
	name    string
	pattern *regexp.Regexp
	// often: it is in more answers than the one that hands it out, on the pages of a browser that has it.
	often bool
}

func mints() []minted {
	return []minted{
		{"a token of a session", regexp.MustCompile(`cft_[A-Za-z0-9_-]+`), false},
		{"an authorization code", regexp.MustCompile(`cfc_[A-Za-z0-9_-]+`), false},
		{"a device code", regexp.MustCompile(`cfd_[A-Za-z0-9_-]+`), false},
		{userCode, regexp.MustCompile(`"user_code":"([A-Z]{4}-[A-Z]{4})"`), true},
		{confirmLink, regexp.MustCompile(`/confirm/([A-Za-z0-9_-]{40,})`), true},
		{"a recovery code", regexp.MustCompile(`"([A-Za-z0-9]{4}(?:-[A-Za-z0-9]{4}){5})"`), false},
		{"a cookie", regexp.MustCompile(`Set-Cookie: curfew-[a-z-]+=([A-Za-z0-9_-]{40,})`), false},
		{"the state that goes with somebody to the provider", regexp.MustCompile(`Location: \S+/dex/\S*[?&]state=([A-Za-z0-9_-]{20,})`), true}, // a redirect names it twice
		{"an invitation", regexp.MustCompile(`"code":"([A-Za-z0-9_-]{40,})"`), false},
	}
}

// plantMinted plants what curfewd has made up and answered. Each may be in the one answer that hands it out, and nowhere else.
func (h *house) plantMinted() {
	h.Helper()
	said := h.contentOf(answers)
	for _, m := range mints() {
		var values []string
		for _, found := range m.pattern.FindAllStringSubmatch(said, -1) {
			values = append(values, found[len(found)-1])
		}
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) == 0 {
			h.Errorf("curfewd has handed out nothing that is %s", m.name)
		}
		for _, value := range values {
			h.plant(h, m.name, value)
		}
		h.allow(answers, m.name, m.often)
	}
}
