package directory_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
)

// Who signs in at a provider is whom another source has: by what that knows them by, or by an attribute.
func TestAccountsOfAnotherSource(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		people := staff(5)
		people[3].Attributes["mail"] = people[4].Attributes["mail"]
		delete(people[2].Attributes, "mail")
		o := &office{people: people}
		if err := read(t, newSync(w, "node", o), o); err != nil {
			t.Fatal(err)
		}
		gone(t, w, access.PrincipalID{Issuer: "corp", Subject: "id-001"})

		for name, c := range map[string]struct {
			attribute, match string
			want             string // empty: nobody
		}{
			"by what it is known by":  {directory.SubjectAttribute, "id-000", "id-000"},
			"of nobody":               {directory.SubjectAttribute, "id-999", ""},
			"in capitals":             {directory.SubjectAttribute, "ID-000", ""},
			"of who has left":         {directory.SubjectAttribute, "id-001", ""},
			"without a word":          {directory.SubjectAttribute, "", ""},
			"by mail":                 {"mail", "c0@acme.example", "id-000"},
			"by mail, of who left":    {"mail", "c1@acme.example", ""},
			"by mail that two have":   {"mail", "c4@acme.example", ""},
			"by mail that nobody has": {"mail", "", ""},
		} {
			d, err := directory.New(directory.Config{
				Store: w.Store, Tenant: access.DefaultTenant, Limits: directory.Limits{Idle: 1e12, Lifetime: 1e13},
				Accounts: map[string]directory.Accounts{"sso": {Of: "corp", Attribute: c.attribute}},
			})
			if err != nil {
				t.Fatal(err)
			}
			r := directory.NewRegistrar(w.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return d })
			// What the provider says of groups is nobody's concern: they are the source's.
			account := identity.Account{Subject: "s", Groups: []string{"admins"}, Match: c.match, Session: name}
			in := directory.SignIn{Source: "sso", Label: "x", Challenge: challenge(), Account: account}
			code, err := r.Begin(t.Context(), in)
			if c.want == "" {
				if access.KindOf(err) != access.KindDenied || err == nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			token, _, err := r.Redeem(t.Context(), code, verifier)
			if err != nil {
				t.Fatal(err)
			}
			who, err := d.Authenticate(t.Context(), token)
			if err != nil || who.ID != (access.PrincipalID{Issuer: "corp", Subject: c.want}) || len(who.Groups) != 1 || who.Groups[0] != "corp/staff" {
				t.Errorf("%s: %+v, %v", name, who.Principal, err)
			}
			// The provider's word for its session ends ours, though it has another subject for who it is.
			told := identity.Ended{ID: name, Subject: "s", Session: name, Until: time.Now().Add(time.Minute)}
			if n, err := r.EndedAtProvider(t.Context(), "sso", told); n != 1 || err != nil {
				t.Errorf("%s: %d sessions end at the provider's word, %v", name, n, err)
			}
			refusedToken(t, w, name, token)
		}
		if _, err := w.Directory.Principal(t.Context(), access.PrincipalID{Issuer: "sso", Subject: "s"}); access.KindOf(err) != access.KindNotFound {
			t.Errorf("the provider's own account is kept as well: %v", err)
		}
	})
}
