package api_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// roles are those who call, each by a letter: nobody, somebody without a group, the requester, her agent, a reviewer, the
// auditor, the administrator.
var roles = []struct{ letter, who string }{
	{"n", ""}, {"m", enginetest.Mallory}, {"q", enginetest.Alice}, {"g", enginetest.AliceAgent}, {"v", enginetest.Bob}, {"a", enginetest.Olga}, {"c", enginetest.Carol},
}

// everybody are all who have a token, people those who are humans.
const (
	everybody = "mqgvac"
	people    = "mqvac"
)

// matrix has for each route how it is called, with things that Alice has, and who may. Whoever may not is told 401, 403 or
// 404. An answer of 409 is one to somebody who may, of what has no effect now.
var matrix = map[string]struct {
	may  string
	call func(s *board) (path, body string)
}{
	"whoami":            {everybody, plain("/v1/whoami")},
	"list-entitlements": {everybody, plain("/v1/entitlements")},
	"explain": {everybody, func(*board) (string, string) {
		return "/v1/decisions", `{"entitlements":["` + enginetest.Read + `"],"duration":"1m"}`
	}},
	"submit-request": {everybody, func(*board) (string, string) { return "/v1/requests", asking(enginetest.Read, "1m") }},
	"list-requests":  {everybody, plain("/v1/requests")},
	"get-request":    {"qvac", func(s *board) (string, string) { return "/v1/requests/" + pending(s.server).ID, "" }},
	"review-request": {"v", func(s *board) (string, string) {
		return "/v1/requests/" + pending(s.server).ID + "/reviews", `{"verdict":"approve"}`
	}},
	"withdraw-request": {"q", func(s *board) (string, string) {
		return "/v1/requests/" + pending(s.server).ID + "/withdraw", ""
	}},

	"list-grants":  {everybody, plain("/v1/grants")},
	"get-grant":    {"qac", ofGrant("", "")},
	"extend-grant": {"q", ofGrant("/extend", `{"duration":"1m"}`)},
	"return-grant": {"q", ofGrant("/return", "")},
	"revoke-grant": {"qc", ofGrant("/revoke", `{"reason":"test"}`)},
	"attest-grant": {"c", ofGrant("/attest", `{"reason":"test"}`)},
	"issue-credential": {"q", func(s *board) (string, string) {
		key, err := secret.NewRecipientKey()
		if err != nil {
			s.t.Fatal(err)
		}
		return "/v1/grants/" + active(s.server).ID + "/credential", fetching(key)
	}},

	"list-findings": {"ac", plain("/v1/findings")},
	"accept-finding": {"c", func(s *board) (string, string) {
		return "/v1/findings/" + finding(s) + "/accept", `{"reason":"test"}`
	}},
	"freeze":       {"c", func(*board) (string, string) { return "/v1/revocations", `{"principal":"erin","reason":"test"}` }},
	"list-freezes": {"ac", plain("/v1/freezes")},
	"lift-freeze": {"c", func(s *board) (string, string) {
		f := ok[api.Freeze](s.server, enginetest.Carol, "POST", "/v1/revocations", `{"principal":"erin","reason":"test"}`)
		return "/v1/freezes/" + f.ID + "/lift", `{"reason":"test"}`
	}},

	"list-events":       {everybody, plain("/v1/events")},
	"get-checkpoint":    {everybody, plain("/v1/audit/checkpoint")},
	"prove-inclusion":   {"ac", plain("/v1/audit/inclusion?position=1&size=1")},
	"prove-consistency": {"ac", plain("/v1/audit/consistency?from=1&size=1")},
	"export-audit":      {"ac", plain("/v1/audit/export")},

	"list-sessions": {everybody, plain("/v1/sessions")},
	"end-session":   {"q", func(s *board) (string, string) { return "/v1/sessions/" + session(s) + "/end", "" }},
	"end-sessions":  {everybody, plain("/v1/sessions/end")},
	"make-token":    {people, func(*board) (string, string) { return "/v1/tokens", `{"scopes":["read"],"for":"1h","label":"test"}` }},
	"link-persons": {"c", func(s *board) (string, string) {
		return "/v1/persons/link", `{"principals":["` + profile(s).ID.String() + `","` + profile(s).ID.String() + `"],"reason":"test"}`
	}},
	"unlink-person": {"c", func(s *board) (string, string) {
		id := profile(s).ID.String()
		ok[api.Link](s.server, enginetest.Carol, "POST", "/v1/persons/link", `{"principals":["`+profile(s).ID.String()+`","`+id+`"],"reason":"test"}`)
		return "/v1/persons/unlink", `{"principal":"` + id + `","reason":"test"}`
	}},
	"delegate":         {people, func(*board) (string, string) { return "/v1/delegations", delegating("dave") }},
	"list-delegations": {everybody, plain("/v1/delegations")},
	"end-delegation": {"qc", func(s *board) (string, string) {
		return "/v1/delegations/" + ok[api.Delegation](s.server, enginetest.Alice, "POST", "/v1/delegations", delegating("dave")).ID + "/end", ""
	}},

	"list-passkeys": {everybody, plain("/v1/passkeys")},
	"add-passkey":   {people, func(*board) (string, string) { return "/v1/passkeys", `{"label":"test"}` }},
	"remove-passkey": {"q", func(*board) (string, string) {
		return "/v1/passkeys/" + string(passkeyOf(enginetest.Alice)) + "/remove", ""
	}},
	"make-recovery-codes": {people, plain("/v1/passkeys/recovery-codes")},
	"invite-passkey":      {"c", func(*board) (string, string) { return "/v1/passkeys/invitations", `{"principal":"erin"}` }},
	"get-ceremony": {"q", func(s *board) (string, string) {
		return "/v1/ceremonies/" + ok[api.Ceremony](s.server, enginetest.Alice, "POST", "/v1/passkeys", `{"label":"test"}`).ID, ""
	}},
	"confirm-request": {"q", func(s *board) (string, string) {
		return "/v1/requests/" + unconfirmed(s).ID + "/confirmation", ""
	}},
	"confirm-review": {"v", func(s *board) (string, string) {
		return "/v1/requests/" + pending(s.server).ID + "/reviews/confirmation", `{"verdict":"approve"}`
	}},
	"get-config": {"ac", plain("/v1/config")},
	"approve-config": {"c", func(s *board) (string, string) {
		return "/v1/config/approve", `{"digest":"` + version(s) + `"}`
	}},
	"reject-config": {"c", func(s *board) (string, string) {
		return "/v1/config/reject", `{"digest":"` + version(s) + `","reason":"test"}`
	}},

	"forget-person": {"c", func(*board) (string, string) { return "/v1/erasures", `{"person":"mallory","plan":true}` }},
	"get-erasure": {"ac", func(s *board) (string, string) {
		if s.erasure == "" { // nobody is forgotten twice
			s.erasure = ok[api.Erasure](s.server, enginetest.Carol, "POST", "/v1/erasures", `{"person":"`+string(profile(s).Person)+`","reason":"asked for it"}`).ID
		}
		return "/v1/erasures/" + s.erasure, ""
	}},
}

// board is a server with what the calls make.
type board struct {
	*server
	made    int
	erasure string
}

func plain(path string) func(*board) (string, string) {
	return func(*board) (string, string) { return path, "" }
}

func ofGrant(path, body string) func(*board) (string, string) {
	return func(s *board) (string, string) { return "/v1/grants/" + active(s.server).ID + path, body }
}

func delegating(to string) string {
	return fmt.Sprintf(`{"to":%q,"until":%q,"reason":"leave"}`, to, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// session is one of Alice's.
func session(s *board) string {
	return ok[api.Token](s.server, enginetest.Alice, "POST", "/v1/tokens", `{"scopes":["read"],"for":"1h","label":"test"}`).Session.ID
}

// unconfirmed is a request of Alice's that waits for her passkey.
func unconfirmed(s *board) api.Request {
	s.t.Helper()
	return ok[api.Request](s.server, enginetest.Alice, "POST", "/v1/requests", asking(enginetest.Drop, "30m"))
}

// passkeyOf is the ID of somebody's passkey.
func passkeyOf(who string) access.PasskeyID { return access.PasskeyID(access.PasskeyPrefix + who) }

// withPasskeys serves with passkeys, of which everybody has one; it answers nothing here.
func (s *board) withPasskeys() {
	s.t.Helper()
	err := s.Store.Update(s.t.Context(), "test", func(tx store.Tx) error {
		for _, role := range roles[1:] {
			who := s.Who(role.who)
			err := tx.Passkeys().Insert(access.Passkey{
				ID: passkeyOf(role.who), Tenant: access.DefaultTenant, Principal: who.ID, Person: who.Person, Label: "test", CredentialID: []byte(role.who), PublicKey: []byte("none"), CreatedAt: tx.Now(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	keeper, err := passkey.New(passkey.Config{
		URL: "https://curfew.acme.example", Engine: s.Engine, Store: s.Store, Directory: func() passkey.Directory { return s.Directory },
		IDs: engine.UUIDs{}, Tenant: access.DefaultTenant, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.listen(keeper)
}

// profile is a principal of a source.
func profile(s *board) (p access.Profile) {
	s.made++
	err := s.Engine.Change(s.t.Context(), "test", func(tx store.Tx, enter func(access.Event) error) (err error) {
		p, err = s.Registrar.Tell(tx, enter, "sso", identity.Account{Subject: fmt.Sprint("u", s.made)})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// version is one of the configuration that waits, since it gives Alice's other account more.
func version(s *board) string {
	s.made++
	digest := fmt.Sprint("version-", s.made)
	s.versions.Propose(digest, digest+"\nwidens "+enginetest.AliceAdmin)
	return digest
}

// finding is something at the target that the books do not explain.
func finding(s *board) string {
	s.made++
	name := fmt.Sprint("stranger-", s.made)
	if err := s.Target.AddAccount(memory.Account{Name: name, Mark: "curfew:somebody-else's:" + access.Mark(name)}, ""); err != nil {
		s.t.Fatal(err)
	}
	s.Compare(s.t)
	for _, f := range s.Findings(s.t) {
		if f.Atom.Account == name || strings.Contains(f.Note, name) || f.State == access.FindingOpen {
			return string(f.ID)
		}
	}
	s.t.Fatal("nothing is found")
	return ""
}

// Every route, for every role.
func TestMatrix(t *testing.T) {
	s := &board{server: serve(t, enginetest.WithPolicies(append(enginetest.Policies(), policy.Policy{
		Name: "confirmed", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{enginetest.Drop}, MaxDuration: time.Hour,
		Require: policy.Requirements{MFA: true}, Auto: true,
	})...))}
	s.withPasskeys()
	s.versions.Propose("version-one", "one")
	active(s.server)
	for _, op := range operations(t) {
		m, known := matrix[op.id]
		if !known {
			t.Errorf("%s %s (%s) is not in the matrix: say who may", op.method, op.path, op.id)
			continue
		}
		got, said := "", []string{}
		for _, role := range roles {
			path, body := m.call(s)
			a := s.call(role.who, op.method, path, body)
			switch {
			case a.status < 300 || a.status == 409:
				got += role.letter
			case a.status == 401 && role.who == "", a.status == 403, a.status == 404:
			default:
				t.Errorf("%s as %q: %d %s", op.id, role.who, a.status, a.body)
			}
			said = append(said, fmt.Sprintf("%s: %d %.150s", role.letter, a.status, a.body))
		}
		if got != m.may {
			t.Errorf("%s: %q may, want %q\n\t%s", op.id, got, m.may, strings.Join(said, "\n\t"))
		}
	}
	for id := range matrix {
		found := false
		for _, op := range operations(t) {
			found = found || op.id == id
		}
		if !found {
			t.Errorf("there is no route %s any more", id)
		}
	}
}
