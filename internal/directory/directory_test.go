package directory_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/policy"
)

func entry(name, token string, kind access.PrincipalKind, groups ...string) directory.Entry {
	return directory.Entry{Token: token, Principal: access.Principal{
		ID: access.PrincipalID{Issuer: "static", Subject: name}, Kind: kind, Person: access.PersonID(name), Groups: groups,
	}}
}

func company(t *testing.T) *directory.Directory {
	t.Helper()
	d, err := directory.New(directory.Config{Entries: []directory.Entry{
		entry("alice", "token-a", access.Human, "static/engineering"),
		entry("bob", "token-b", access.Human, "static/platform", "static/engineering"),
		entry("robot", "token-r", access.Service, "static/platform"),
		entry("nobody", "", access.Human),
	}, Roles: map[access.Role][]policy.Selector{access.RoleAdmin: {"group:static/platform"}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAuthenticate(t *testing.T) {
	d := company(t)
	p, err := d.Authenticate(t.Context(), "token-b")
	if err != nil || p.ID.Subject != "bob" {
		t.Errorf("token-b is %s, %v", p.ID, err)
	}
	for _, token := range []string{"", "token-", "token-bb", "TOKEN-B", strings.Repeat("x", 1<<16)} {
		if p, err := d.Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated || err == nil {
			t.Errorf("a token of %d bytes is %s, %v", len(token), p.ID, err)
		} else if token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestMembersAndRoles(t *testing.T) {
	d := company(t)
	for selector, want := range map[policy.Selector]string{
		"group:static/engineering": "alice bob", "group:static/platform": "bob robot", "group:other/engineering": "",
		"principal:static/alice": "alice", "person:robot": "robot", "kind:human": "alice bob nobody", "anyone": "alice bob nobody robot",
		"owner-of-resource": "", "group:": "", "": "",
	} {
		members, err := d.Members(t.Context(), selector)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range members {
			names = append(names, m.ID.Subject)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s stands for %q, want %q", selector, got, want)
		}
	}
	for name, want := range map[string]bool{"alice": false, "bob": true, "robot": false} {
		p, err := d.Principal(t.Context(), access.PrincipalID{Issuer: "static", Subject: name})
		if err != nil {
			t.Fatal(err)
		}
		if d.HasRole(p, access.RoleAdmin) != want || d.HasRole(p, access.RoleAuditor) {
			t.Errorf("%s: admin %v, auditor %v", name, d.HasRole(p, access.RoleAdmin), d.HasRole(p, access.RoleAuditor))
		}
	}
	_, err := d.Principal(t.Context(), access.PrincipalID{Issuer: "sso", Subject: "alice"})
	if access.KindOf(err) != access.KindNotFound {
		t.Errorf("alice of another issuer: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for name, entries := range map[string][]directory.Entry{
		"listed twice": {entry("alice", "a", access.Human), entry("alice", "b", access.Human)},
		"shared token": {entry("alice", "secret-token", access.Human), entry("bob", "secret-token", access.Human)},
	} {
		_, err := directory.New(directory.Config{Entries: entries})
		if err == nil || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A token that is void is refused with the reason; a new one for the same principal is good.
func TestVoidToken(t *testing.T) {
	alice := access.Principal{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"}, Kind: access.Human}
	for token, void := range map[string]bool{"old": true, "new": false} {
		d, err := directory.New(directory.Config{Entries: []directory.Entry{{Principal: alice, Token: token, Void: void}}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Authenticate(t.Context(), token)
		if !void && (err != nil || p.ID != alice.ID) {
			t.Errorf("the new token: %+v, %v", p, err)
		}
		if void && (access.KindOf(err) != access.KindUnauthenticated || !strings.Contains(access.SafeMessage(err), "restored") || !p.ID.IsZero()) {
			t.Errorf("the void token: %+v, %v", p, err)
		}
	}
}

func mustSelector(t *testing.T, text string) policy.Selector {
	t.Helper()
	s, err := policy.ParseSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
