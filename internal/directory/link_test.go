package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// signedIn is a token of somebody of the source, and who they are.
func signedIn(t *testing.T, w *World, subject string) (token string, p access.Principal) {
	t.Helper()
	a := erin("payments")
	a.Subject = subject
	code, err := w.Registrar.Begin(t.Context(), directory.SignIn{Source: "sso", Account: a, Label: "vm", Challenge: challenge()})
	if err != nil {
		t.Fatal(err)
	}
	if token, _, err = w.Registrar.Redeem(t.Context(), code, verifier); err != nil {
		t.Fatal(err)
	}
	c, err := w.Directory.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return token, c.Principal
}

func personOf(t *testing.T, w *World, id access.PrincipalID) access.PersonID {
	t.Helper()
	p, err := w.Directory.Principal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p.Person
}

// Who has signed in with two accounts is one person: the one of the configuration, if one of them is.
func TestLinkByProof(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		token, erin := signedIn(t, w, "erin")
		at := end(t, w)
		l, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: w.Who(Alice)}, token)
		if err != nil || l.Person != w.Who(Alice).Person || l.Formerly != erin.Person || !slices.Equal(l.Moved, []access.PrincipalID{erin.ID}) {
			t.Fatalf("%+v, %v", l, err)
		}
		if got := personOf(t, w, erin.ID); got != w.Who(Alice).Person {
			t.Errorf("Erin is %s", got)
		}
		refusedToken(t, w, "the token from before", token)
		if kinds, personal := entries(t, w, at); !slices.Equal(kinds, []string{"person.linked"}) || personal["person"] != string(erin.Person) {
			t.Errorf("entered: %v %v", kinds, personal)
		}
		members, err := w.Directory.Members(t.Context(), mustSelector(t, "person:"+string(w.Who(Alice).Person)))
		if err != nil || !slices.ContainsFunc(members, func(p access.Principal) bool { return p.ID == erin.ID }) {
			t.Errorf("Alice's person is %v, %v", members, err)
		}

		// From the other side: the person of the configuration stays.
		frankToken, frank := signedIn(t, w, "frank")
		agentToken, _, err := w.Registrar.MakeToken(t.Context(), access.Caller{Principal: w.Who(Bob)}, directory.TokenOrder{
			Principal: w.Who(Bob).ID, Scopes: []access.Scope{access.ScopeRead}, For: time.Hour, Label: "made",
		})
		if err != nil {
			t.Fatal(err)
		}
		if l, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: frank}, Bob+"-token"); err != nil || l.Person != w.Who(Bob).Person || !slices.Equal(l.Moved, []access.PrincipalID{frank.ID}) {
			t.Errorf("from the other side: %+v, %v", l, err)
		}
		refusedToken(t, w, "Frank's token from before", frankToken)

		// Two of the source: all that the one had move.
		_, one := signedIn(t, w, "one")
		otherToken, other := signedIn(t, w, "other")
		if l, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: one}, otherToken); err != nil || l.Person != one.Person || l.Formerly != other.Person {
			t.Errorf("two of the source: %+v, %v", l, err)
		}
		for name, c := range map[string]struct {
			by    access.Principal
			token string
			kind  access.Kind
		}{
			"already":                  {w.Who(Alice), Alice + "-token", access.KindConflict},
			"two of the configuration": {w.Who(Alice), Bob + "-token", access.KindConflict},
			"no token":                 {w.Who(Alice), "guess", access.KindInvalid},
			"an agent":                 {w.Who(AliceAgent), Bob + "-token", access.KindDenied},
			"an agent's token":         {w.Who(Bob), AliceAgent + "-token", access.KindDenied},
			"a token for a program":    {one, agentToken, access.KindDenied},
		} {
			if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: c.by}, c.token); access.KindOf(err) != c.kind || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// An administrator says who is one, and never of themselves.
func TestLinkByAdministrator(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		_, erin := signedIn(t, w, "erin")
		_, frank := signedIn(t, w, "frank")
		link := func(by string, one, other access.PrincipalID, reason string) (directory.Link, error) {
			return w.Registrar.Link(t.Context(), w.Who(by), one, other, reason)
		}
		agent := access.PrincipalID{Issuer: access.StaticIssuer, Subject: AliceAgent}
		nobody := access.PrincipalID{Issuer: "sso", Subject: "nobody"}
		for name, c := range map[string]struct {
			by         string
			one, other access.PrincipalID
			reason     string
			kind       access.Kind
		}{
			"not an administrator": {Alice, erin.ID, frank.ID, "why", access.KindDenied},
			"an auditor":           {Olga, erin.ID, frank.ID, "why", access.KindDenied},
			"of themselves":        {Carol, erin.ID, w.Who(Carol).ID, "why", access.KindDenied},
			"of the configuration": {Carol, erin.ID, w.Who(Alice).ID, "why", access.KindDenied},
			"an agent":             {Carol, erin.ID, agent, "why", access.KindInvalid},
			"nobody":               {Carol, erin.ID, nobody, "why", access.KindNotFound},
			"without a reason":     {Carol, erin.ID, frank.ID, "", access.KindInvalid},
		} {
			if _, err := link(c.by, c.one, c.other, c.reason); access.KindOf(err) != c.kind || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		l, err := link(Carol, erin.ID, frank.ID, "a contractor's two accounts")
		if err != nil || personOf(t, w, frank.ID) != erin.Person || l.Person != erin.Person {
			t.Fatalf("%+v, %v", l, err)
		}
		at := end(t, w)
		for name, c := range map[string]struct {
			by   string
			id   access.PrincipalID
			kind access.Kind
		}{
			"not an administrator": {Alice, frank.ID, access.KindDenied},
			"of the configuration": {Carol, w.Who(Alice).ID, access.KindNotFound},
			"never linked":         {Carol, erin.ID, access.KindConflict},
		} {
			if _, err := w.Registrar.Unlink(t.Context(), w.Who(c.by), c.id, "why"); access.KindOf(err) != c.kind || err == nil {
				t.Errorf("telling apart, %s: %v", name, err)
			}
		}
		person, err := w.Registrar.Unlink(t.Context(), w.Who(Carol), frank.ID, "a mistake")
		if err != nil || person == erin.Person || personOf(t, w, frank.ID) != person || personOf(t, w, erin.ID) != erin.Person {
			t.Errorf("told apart: %s, %v", person, err)
		}
		if kinds, _ := entries(t, w, at); !slices.Equal(kinds, []string{"person.unlinked"}) {
			t.Errorf("entered: %v", kinds)
		}
	})
}

// Nobody slips out of what is under way, or frozen, by being called otherwise.
func TestLinkWhileUnderWay(t *testing.T) {
	policies := Policies()
	for i := range policies {
		policies[i].Who = append(policies[i].Who, "group:sso/payments")
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(t, WithPolicies(policies...))
		token, erin := signedIn(t, w, "erin")
		_, err := w.Engine.Submit(t.Context(), erin, engine.Submission{Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: w.Who(Alice)}, token); access.KindOf(err) != access.KindConflict {
			t.Errorf("with access: %v", err)
		}
		other, frank := signedIn(t, w, "frank")
		if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Principal: frank.ID}, "stolen"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: w.Who(Alice)}, other); access.KindOf(err) != access.KindConflict {
			t.Errorf("frozen: %v", err)
		}
	})
}

// What somebody has asked for in another's name waits under their name as well: told apart from the account that asked, their other one would
// review it.
func TestUnlinkWhileAskingForOthers(t *testing.T) {
	policies := Policies()
	for i := range policies {
		policies[i].OnBehalfOf = append(policies[i].OnBehalfOf, "group:sso/payments")
		for k := range policies[i].Stages {
			policies[i].Stages[k].From = append(policies[i].Stages[k].From, "group:sso/payments")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(t, WithPolicies(policies...))
		_, erin := signedIn(t, w, "erin")
		_, frank := signedIn(t, w, "frank")
		if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), erin.ID, frank.ID, "one human"); err != nil {
			t.Fatal(err)
		}
		now := func(id access.PrincipalID) access.Principal {
			t.Helper()
			p, err := w.Directory.Principal(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		r, err := w.Engine.Submit(t.Context(), now(erin.ID), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "test", OnBehalfOf: w.Who(Alice).ID,
		})
		if err != nil || r.State != access.RequestPending {
			t.Fatalf("%s, %v", r.State, err)
		}
		approve := engine.Opinion{Verdict: access.Approve}
		if _, err := w.Engine.Review(t.Context(), now(frank.ID), r.ID, approve); access.KindOf(err) != access.KindDenied {
			t.Errorf("as one human: %v", err)
		}
		for _, id := range []access.PrincipalID{erin.ID, frank.ID} {
			if _, err := w.Registrar.Unlink(t.Context(), w.Who(Carol), id, "why"); access.KindOf(err) != access.KindConflict {
				t.Errorf("%s is told apart: %v", id, err)
			}
		}
		if _, err := w.Engine.Review(t.Context(), now(frank.ID), r.ID, approve); access.KindOf(err) != access.KindDenied {
			t.Errorf("told apart: %v", err)
		}
	})
}

// Whoever was called otherwise is forgotten under each name.
func TestForgetLinked(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		_, one := signedIn(t, w, "one")
		token, other := signedIn(t, w, "other")
		if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: one}, token); err != nil {
			t.Fatal(err)
		}
		forget := func(person access.PersonID) error {
			v, err := w.Engine.Forget(t.Context(), w.Who(Carol), engine.ForgetOrder{Person: person}, "asked for it")
			for err == nil && v.DoneAt.IsZero() {
				if _, err = w.Engine.Erase(t.Context()); err == nil {
					v, err = w.Engine.Erasure(t.Context(), w.Who(Carol), v.ID)
				}
			}
			return err
		}
		if err := forget(one.Person); access.KindOf(err) != access.KindConflict {
			t.Errorf("while the other name is not forgotten: %v", err)
		}
		for _, person := range []access.PersonID{other.Person, one.Person} {
			if err := forget(person); err != nil {
				t.Fatal(err)
			}
		}
		err := w.Store.View(t.Context(), func(tx store.Tx) error {
			left, _, err := tx.Profiles().List(access.DefaultTenant, store.ProfileFilter{}, store.Page{Limit: 10})
			if len(left) > 0 {
				t.Errorf("left: %+v", left)
			}
			rows, err2 := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 100)
			for _, row := range rows {
				for _, p := range row.Personal {
					if strings.Contains(p.Value, "sso/o") || p.Value == string(other.Person) {
						t.Errorf("an entry %s has %s: %q still", row.Kind, p.Field, p.Value)
					}
				}
			}
			return errors.Join(err, err2)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
