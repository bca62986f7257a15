package api_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
)

// fetching is the body that asks for a credential, sealed to a key.
func fetching(key *secret.RecipientKey) string {
	return fmt.Sprintf(`{"recipient":%q}`, base64.StdEncoding.EncodeToString(key.Public()))
}

func newKey(t testing.TB) *secret.RecipientKey {
	t.Helper()
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// fetch has Alice fetch the credential of a grant.
func fetch(s *server, grant string, key *secret.RecipientKey) api.SealedCredential {
	s.t.Helper()
	return ok[api.SealedCredential](s, enginetest.Alice, "POST", "/v1/grants/"+grant+"/credential", fetching(key))
}

// opened opens a credential as the program of its principal does: bound to the grant that was asked about.
func opened(grant string, key *secret.RecipientKey, c api.SealedCredential) (cred access.Credential, err error) {
	plain, err := key.Open(secret.Binding{
		Tenant: access.TenantID(c.Tenant), Grant: access.GrantID(grant), Attempt: c.Attempt,
		Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: enginetest.Alice},
	}, c.Ciphertext)
	if err != nil {
		return cred, err
	}
	return cred, json.Unmarshal(plain, &cred)
}

// beside opens the store past the engine, as somebody does who has reached the database.
func beside(s *server) *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)", s.Path))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// tamper changes one row.
func tamper(s *server, statement string, args ...any) {
	s.t.Helper()
	changed, err := beside(s).ExecContext(s.t.Context(), statement, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := changed.RowsAffected(); n != 1 || err != nil {
		s.t.Fatalf("%s changed %d rows: %v", statement, n, err)
	}
}

// swap exchanges a column of the rows of two grants.
func swap(s *server, table, column, one, other string) {
	s.t.Helper()
	read := func(grant string) (b []byte) {
		if err := beside(s).QueryRowContext(s.t.Context(), "SELECT "+column+" FROM "+table+" WHERE grant_id = $1", grant).Scan(&b); err != nil {
			s.t.Fatal(err)
		}
		return b
	}
	a, b := read(one), read(other)
	tamper(s, "UPDATE "+table+" SET "+column+" = $1 WHERE grant_id = $2", b, one)
	tamper(s, "UPDATE "+table+" SET "+column+" = $1 WHERE grant_id = $2", a, other)
}

// Every fetch is in the log, by whom and for which key; what was refused is no fetch.
func TestEveryFetchIsAudited(t *testing.T) {
	s := serve(t)
	g := active(s)
	mine, another := newKey(t), newKey(t)
	fetch(s, g.ID, mine)
	fetch(s, g.ID, mine)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/grants/"+g.ID+"/credential", fetching(another)), 403)
	refused(t, s.call(enginetest.Bob, "POST", "/v1/grants/"+g.ID+"/credential", fetching(another)), 404)
	fetch(s, g.ID, another)
	var got []string
	after := int64(0)
	for calls := 0; len(got) < 5 && calls < 20; calls++ {
		list := ok[api.EventList](s, enginetest.Olga, "GET", fmt.Sprintf("/v1/events?wait=2s&after=%d", after), "")
		for _, e := range list.Items {
			if e.Kind == "credential.issued" || e.Kind == "credential.fetched" {
				got = append(got, e.Kind+" "+e.Actor+" "+e.Detail["recipient"])
			}
		}
		after = list.Next
	}
	name := func(key *secret.RecipientKey) string {
		sum := sha256.Sum256(key.Public())
		return hex.EncodeToString(sum[:8])
	}
	want := []string{
		"credential.issued  " + name(mine), "credential.fetched alice " + name(mine), "credential.fetched alice " + name(mine),
		"credential.issued  " + name(another), "credential.fetched alice " + name(another),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log says\n%q, want\n%q", got, want)
	}
}

// A credential that somebody has moved to another grant opens for nobody, though both are sealed to the same key.
func TestSwappedCredentialsDoNotOpen(t *testing.T) {
	s := serve(t)
	one, other, key := active(s).ID, active(s).ID, newKey(t)
	for _, grant := range []string{one, other} {
		if _, err := opened(grant, key, fetch(s, grant, key)); err != nil {
			t.Fatal(err)
		}
	}
	swap(s, "credentials", "ciphertext", one, other)
	for _, grant := range []string{one, other} {
		if c, err := opened(grant, key, fetch(s, grant, key)); err == nil {
			t.Errorf("the credential of %s opened as that of another grant", c.Username)
		}
	}
	swap(s, "credentials", "ciphertext", one, other)
	if _, err := opened(one, key, fetch(s, one, key)); err != nil {
		t.Errorf("where it belongs it does not open any more: %v", err)
	}
}

// An old credential that is put back is not served; and where its row claims to be the newest, it does not open.
func TestReplayedCredentialsDoNotOpen(t *testing.T) {
	s := serve(t)
	g, mine, another := active(s).ID, newKey(t), newKey(t)
	old := fetch(s, g, mine)
	was, err := opened(g, mine, old)
	if err != nil {
		t.Fatal(err)
	}
	fetch(s, g, another) // from here on the first one does not work at the target
	tamper(s, `UPDATE credentials SET recipient = $1, ciphertext = $2`, old.Recipient, old.Ciphertext)
	if _, err := opened(g, mine, fetch(s, g, mine)); err == nil {
		t.Error("an old ciphertext opened as one of the newest attempt")
	}
	tamper(s, `UPDATE credentials SET attempt = $1`, old.Attempt)
	now := fetch(s, g, mine)
	is, err := opened(g, mine, now)
	if err != nil || is.Password == was.Password || now.Attempt <= old.Attempt {
		t.Errorf("an old row was served again: attempt %d after %d, %v", now.Attempt, old.Attempt, err)
	}
	if _, err := s.Target.Login(was.Username, was.Password); err == nil {
		t.Error("the old credential works")
	}
}

// Whoever writes their own key over that of the requester gets nothing that it opens: the ciphertext stays sealed to the other one.
func TestAForgedRecipientOpensNothing(t *testing.T) {
	s := serve(t)
	g, mine, thief := active(s).ID, newKey(t), newKey(t)
	fetch(s, g, mine)
	tamper(s, `UPDATE credentials SET recipient = $1`, thief.Public())
	refused(t, s.call(enginetest.Mallory, "POST", "/v1/grants/"+g+"/credential", fetching(thief)), 404)
	var ciphertext []byte
	if err := beside(s).QueryRowContext(t.Context(), `SELECT ciphertext FROM credentials`).Scan(&ciphertext); err != nil {
		t.Fatal(err)
	}
	for attempt := range 3 {
		if _, err := opened(g, thief, api.SealedCredential{Tenant: string(access.DefaultTenant), Attempt: attempt, Ciphertext: ciphertext}); err == nil {
			t.Error("the thief's key opens the credential")
		}
	}
}

// Whose key it is not, who asks too late, and who sends no key at all, is refused before anything is issued.
func TestCredentialsAreRefused(t *testing.T) {
	s := serve(t)
	g, key := active(s).ID, newKey(t)
	path := "/v1/grants/" + g + "/credential"
	cred, err := opened(g, key, fetch(s, g, key))
	if err != nil {
		t.Fatal(err)
	}
	for who, status := range map[string]int{
		"": 401, enginetest.Bob: 404, enginetest.Mallory: 404, enginetest.AliceAgent: 404, enginetest.AliceAdmin: 403, enginetest.Carol: 403, enginetest.Olga: 403,
	} {
		refused(t, s.call(who, "POST", path, fetching(key)), status)
	}
	for _, body := range []string{`{}`, `{"recipient":""}`, `{"recipient":"AAAA"}`} {
		refused(t, s.call(enginetest.Alice, "POST", path, body), 422)
	}
	if _, err := opened(g, newKey(t), fetch(s, g, key)); err == nil {
		t.Error("another key opens it")
	}
	if _, err := s.Target.Login(cred.Username, cred.Password); err != nil {
		t.Errorf("what was refused has made the credential worthless: %v", err)
	}
	ok[api.Grant](s, enginetest.Alice, "POST", "/v1/grants/"+g+"/return", "")
	refused(t, s.call(enginetest.Alice, "POST", path, fetching(key)), 409)
}

// awaitGrant reads Alice's grant again and again, but not for ever.
func awaitGrant(s *server, id string, yes func(api.Grant) bool) (g api.Grant) {
	s.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if g = ok[api.Grant](s, enginetest.Alice, "GET", "/v1/grants/"+id, ""); yes(g) {
			return g
		}
		select {
		case <-tick.C:
		case <-limit.C:
			s.t.Fatalf("after a minute the grant is %+v", g)
		}
	}
}

// A plan that was moved to another grant is not acted on: nothing is removed by it, and the grant does not end by it either.
func TestSwappedPlansAreRefused(t *testing.T) {
	s := serve(t)
	one, other := active(s).ID, active(s).ID
	before := len(s.Target.Accounts())
	swap(s, "plans", "sealed", one, other)
	ok[api.Grant](s, enginetest.Alice, "POST", "/v1/grants/"+one+"/return", "")
	g := awaitGrant(s, one, func(g api.Grant) bool { return g.LastError != "" || g.State == "ended" })
	if g.State != "revoking" || len(s.Target.Accounts()) != before {
		t.Errorf("with another's plan the grant is %s (%s), and the target has %d accounts of %d", g.State, g.LastError, len(s.Target.Accounts()), before)
	}
	swap(s, "plans", "sealed", one, other)
	g = awaitGrant(s, one, func(g api.Grant) bool { return g.State == "ended" })
	if g.VerifiedAt.IsZero() || len(s.Target.Accounts()) != before-1 {
		t.Errorf("with its own plan it ended as %+v, and the target has %d accounts", g, len(s.Target.Accounts()))
	}
}
