package access_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
)

// docs/states.md draws exactly the table.
func TestStatesAreDrawnAsTheyAre(t *testing.T) {
	page, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, requests, _ := strings.Cut(string(page), "## Request")
	requests, grants, ok := strings.Cut(requests, "## Grant")
	if !ok {
		t.Fatal("the page has no section for grants")
	}
	want := map[string]bool{}
	for _, a := range access.RequestStates() {
		for _, b := range access.RequestStates() {
			if a.CanBecome(b) {
				want[string(a)+" --> "+string(b)] = true
			}
		}
	}
	if diff := cmp.Diff(want, arrows(requests)); diff != "" {
		t.Errorf("requests (table, page):\n%s", diff)
	}
	want = map[string]bool{}
	for _, a := range access.GrantStates() {
		for _, b := range access.GrantStates() {
			if a.CanBecome(b) {
				want[string(a)+" --> "+string(b)] = true
			}
		}
	}
	if diff := cmp.Diff(want, arrows(grants)); diff != "" {
		t.Errorf("grants (table, page):\n%s", diff)
	}
}

func arrows(section string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +([a-z]+ --> [a-z]+)$`).FindAllStringSubmatch(section, -1) {
		found[m[1]] = true
	}
	return found
}

// Everything that may have touched a target leads to revoking, and only from there to the end.
func TestOneWayOut(t *testing.T) {
	for _, s := range access.GrantStates() {
		if s.Live() && s != access.GrantRevoking && (!s.CanBecome(access.GrantRevoking) || s.CanBecome(access.GrantEnded)) {
			t.Errorf("%s does not lead out through revoking alone", s)
		}
		if access.GrantEnded.CanBecome(s) {
			t.Errorf("an ended grant can become %s", s)
		}
	}
}
