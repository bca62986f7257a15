package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/secret"
)

// life is one installation that is led through everything that can happen to a grant, and dies once on the way.
type life struct {
	*testing.T
	ctx     context.Context
	pg      curfewdtest.Target
	at      point
	company *curfewdtest.Company
	storeAt string
	// logIn is the role that Alice has at PostgreSQL without Curfew.
	logIn string
	child *curfewdtest.Process
	// died is set once the child was killed and what it left was looked at.
	died bool
}

const configText = `
server: {listen: "127.0.0.1:0"}
store: "sqlite:curfew.db"
directory:
  static:
    - {id: alice, kind: human, groups: [engineering], attributes: {db_user: "%[2]s"}, token: "file:%[1]s/alice"}
    - {id: bob, kind: human, groups: [leads], token: "file:%[1]s/bob"}
    - {id: carol, kind: human, groups: [platform], token: "file:%[1]s/carol"}
    - {id: dave, kind: human, groups: [platform], token: "file:%[1]s/dave"}
roles: {admin: ["group:platform"]}
connectors:
  db:
    type: postgres
    dsn: "file:%[1]s/dsn"
    timeout: 2s
    databases: [orders]
    max_connections: 6
    scram_iterations: 1
    permissions:
      read: {roles: [orders_read]}
      write: {roles: [orders_write]}
      slow: {roles: [orders_read]}
      long: {roles: [orders_read]}
      scrap: {roles: [orders_read]}
  members:
    type: postgres-membership
    dsn: "file:%[1]s/dsn"
    timeout: 2s
    databases: [orders]
    max_connections: 6
    account: principal.attributes.db_user
    permissions:
      read: {roles: [orders_read]}
policies:
  - {name: members, who: ["group:engineering"], what: ["members/orders:read"], max_duration: 1h, approve: auto}
  - {name: read, who: ["group:engineering"], what: ["db/orders:read", "db/orders:long", "db/orders:scrap"], max_duration: 1h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["db/orders:write"], max_duration: 1h, approve: [{from: ["group:leads"]}]}
  - {name: slow, who: ["group:engineering"], what: ["db/orders:slow"], max_duration: 1h, approve: [{from: ["group:leads"], within: 1s}]}
`

// newLife begins a life in a child that dies at the point.
func newLife(t *testing.T, pg curfewdtest.Target, at point) *life {
	t.Helper()
	l := unborn(t, pg, at)
	l.child = start(t, l.company.Config(), at)
	return l
}

// unborn is a life without a child.
func unborn(t *testing.T, pg curfewdtest.Target, at point) *life {
	t.Helper()
	folder := t.TempDir()
	logIn := fmt.Sprintf("alice_%d", slices.Index(slices.Concat(points(), rotationPoints(), configurationPoints()), at))
	company := curfewdtest.NewCompany(t, folder, map[string]string{
		"dsn": pg.AccountDSN(), "curfew.yaml": fmt.Sprintf(configText, folder, logIn),
	})
	ctx, cancel := context.WithTimeout(t.Context(), lifeLimit)
	t.Cleanup(cancel)
	l := &life{T: t, ctx: ctx, pg: pg, at: at, company: company, storeAt: filepath.Join(folder, "curfew.db"), logIn: logIn}
	l.makeLogIn()
	return l
}

// as is the API as one of the people see it.
func (l *life) as(who string) *client.ClientWithResponses {
	l.Helper()
	return l.company.As(l.T, who, l.child.Addr(), nil)
}

// errTryAgain means that it is too early.
var errTryAgain = errors.New("try again")

// step does something until it works, through the death of the child.
func (l *life) step(name string, do func() error) {
	l.Helper()
	for l.ctx.Err() == nil {
		if !l.child.Alive() {
			l.resurrect()
		}
		err := do()
		if err == nil {
			return
		}
		if l.child.Alive() && !errors.Is(err, errTryAgain) {
			// A connection that breaks is the first sign of a death.
			select {
			case <-l.child.Ended():
			case <-time.After(10 * time.Second): // on a machine that is busy the kernel takes its time
				l.Fatalf("%s: %v\n%s", name, err, l.child.Log())
			}
		}
		select {
		case <-time.After(100 * time.Millisecond): // fourteen lives ask side by side
		case <-l.ctx.Done():
		}
	}
	l.Fatalf("%s did not come to its end in %s; the child says:\n%s", name, lifeLimit, l.child.Log())
}

// resurrect looks at what the killed child left, and starts another that lives.
func (l *life) resurrect() {
	l.Helper()
	if !l.child.Killed() || l.died {
		l.Fatalf("the child ended by itself:\n%s", l.child.Log())
	}
	l.died = true
	l.holdAgainstTheBooks()
	l.child = start(l.T, l.company.Config(), "")
}

// lead passes every point: a request that lapses, one that is withdrawn, a grant that is reviewed, used and given back
// while something of its user's is in the way, one that is extended and that a freeze takes back, one whose target two
// administrators attest to be gone, one that expires, two that share a right, and what others have made.
func (l *life) lead() {
	l.Helper()
	l.waitRequest(l.submit("slow"), client.RequestState(access.RequestLapsed))

	withdrawn := l.submit("write")
	l.step("withdraw", func() error {
		r, err := l.as("alice").WithdrawRequestWithResponse(l.ctx, withdrawn)
		return done(err, r, http.StatusConflict)
	})

	approved := l.submit("write")
	l.step("approve", func() error {
		r, err := l.as("bob").ReviewRequestWithResponse(l.ctx, approved, client.ReviewBody{Verdict: "approve"})
		return done(err, r, http.StatusConflict)
	})
	grant := l.active(approved)
	credential := l.credential(grant)
	unlock := l.leaveSomething(credential)
	l.step("return", func() error {
		r, err := l.as("alice").ReturnGrantWithResponse(l.ctx, grant)
		return done(err, r)
	})
	l.ended(grant, access.EndReturned)
	unlock()

	l.returnDuringActivation()

	frozen := l.active(l.submit("long"))
	l.extend(frozen)
	lift := l.freeze()
	l.ended(frozen, access.EndRevoked)
	lift()

	l.attest(l.active(l.submit("scrap")))

	l.ended(l.active(l.submit("read")), access.EndExpired)
	l.expireWithoutTheStore()
	l.shareARight()
	l.findOthers()
	l.nothingLeft()
}

// die checks that the point was passed.
func (l *life) die() {
	l.Helper()
	if !l.died {
		l.Fatalf("the life does not pass the point %q", l.at)
	}
}

// answer is what every generated response can say.
type answer interface{ StatusCode() int }

// done accepts success, and the statuses that a repeated step may well meet.
func done(err error, r answer, also ...int) error {
	if err != nil {
		return err
	}
	if r.StatusCode() < 300 {
		return nil
	}
	for _, status := range also {
		if r.StatusCode() == status {
			return nil
		}
	}
	return fmt.Errorf("status %d", r.StatusCode())
}

// submit asks for something. After a death nobody knows whether it was kept, so it is asked again.
func (l *life) submit(what string) (id string) {
	l.Helper()
	l.step("submit "+what, func() error {
		r, err := l.as("alice").SubmitRequestWithResponse(l.ctx, nil, wishes[what])
		if err := done(err, r); err != nil {
			return err
		}
		return json.Unmarshal(r.Body, &struct{ ID *string }{&id})
	})
	return id
}

// wishes are what Alice asks for.
var wishes = map[string]client.RequestBody{
	"slow":    {Entitlements: []string{"db/orders:slow"}, Duration: "1m"},
	"write":   {Entitlements: []string{"db/orders:write"}, Duration: "10m"},
	"read":    {Entitlements: []string{"db/orders:read"}, Duration: "2s"},
	"long":    {Entitlements: []string{"db/orders:long"}, Duration: "10m"},
	"scrap":   {Entitlements: []string{"db/orders:scrap"}, Duration: "1s"},
	"members": {Entitlements: []string{"members/orders:read"}, Duration: "10m"},
}

func (l *life) waitRequest(id string, state client.RequestState) {
	l.Helper()
	l.step("wait for "+string(state), func() error {
		r, err := l.as("alice").GetRequestWithResponse(l.ctx, id, nil)
		if err := done(err, r); err != nil {
			return err
		}
		var got client.Request
		if err := json.Unmarshal(r.Body, &got); err != nil {
			return err
		}
		if got.State != state {
			return errTryAgain
		}
		return nil
	})
}

// active waits until the request's grant is active, or over, and returns its id.
func (l *life) active(request string) (id string) {
	l.Helper()
	return l.grantOf(request, "wait for the grant", access.GrantScheduled, access.GrantActivating)
}

// grantOf waits until the request's grant is in none of the states, and returns its id.
func (l *life) grantOf(request, step string, not ...access.GrantState) (id string) {
	l.Helper()
	l.step(step, func() error {
		r, err := l.as("alice").GetRequestWithResponse(l.ctx, request, nil)
		if err := done(err, r); err != nil {
			return err
		}
		var got client.Request
		if err := json.Unmarshal(r.Body, &got); err != nil {
			return err
		}
		if len(got.Grants) != 1 || slices.Contains(not, access.GrantState(got.Grants[0].State)) {
			return errTryAgain
		}
		id = got.Grants[0].ID
		return nil
	})
	return id
}

// credential fetches the credential and opens it.
func (l *life) credential(grant string) (c access.Credential) {
	l.Helper()
	key, err := secret.NewRecipientKey()
	if err != nil {
		l.Fatal(err)
	}
	l.step("credential", func() error {
		r, err := l.as("alice").IssueCredentialWithResponse(l.ctx, grant, client.CredentialBody{Recipient: key.Public()})
		if err == nil && (r.StatusCode() == http.StatusConflict || r.StatusCode() == http.StatusServiceUnavailable) {
			return errTryAgain // the order of the process that died may still arrive, or this one's first attempt fails
		}
		if err := done(err, r); err != nil {
			return err
		}
		var sealed client.SealedCredential
		if err := json.Unmarshal(r.Body, &sealed); err != nil {
			return err
		}
		plain, err := key.Open(secret.Binding{
			Tenant: access.DefaultTenant, Grant: access.GrantID(grant), Attempt: int(sealed.Attempt),
			Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"},
		}, sealed.Ciphertext)
		if err != nil {
			return err
		}
		return json.Unmarshal(plain, &c)
	})
	return c
}

// leaveSomething logs in, makes a table, keeps the session open, and has somebody else lock the table, so that tidying
// up must wait for unlock.
func (l *life) leaveSomething(c access.Credential) (unlock func()) {
	l.Helper()
	config, err := pgx.ParseConfig(c.URI)
	if err != nil {
		l.Fatal(err)
	}
	config.User, config.Password = c.Username, c.Password
	session, err := pgx.ConnectConfig(l.ctx, config)
	if err != nil {
		l.Fatalf("the credential does not log in: %v", err)
	}
	l.Cleanup(func() { _ = session.Close(context.Background()) })
	table := pgx.Identifier{"public", "left_by_" + strings.ToLower(c.Username)}.Sanitize()
	if _, err := session.Exec(l.ctx, "CREATE TABLE "+table+" ()"); err != nil {
		l.Fatal(err)
	}
	other := curfewdtest.Connect(l.T, l.pg.SuperuserDSN("orders"))
	lock, err := other.Begin(l.ctx)
	if err != nil {
		l.Fatal(err)
	}
	if _, err := lock.Exec(l.ctx, "LOCK TABLE "+table); err != nil {
		l.Fatal(err)
	}
	return func() {
		if err := lock.Rollback(l.ctx); err != nil {
			l.Fatal(err)
		}
	}
}

func (l *life) ended(grant string, reason access.EndReason) {
	l.Helper()
	l.step("wait for the end", func() error {
		r, err := l.as("alice").GetGrantWithResponse(l.ctx, grant)
		if err := done(err, r); err != nil {
			return err
		}
		var g client.Grant
		if err := json.Unmarshal(r.Body, &g); err != nil {
			return err
		}
		switch {
		case access.GrantState(g.State) != access.GrantEnded:
			return errTryAgain
		case g.VerifiedAt.IsZero() || g.VerifiedBy == "":
			return fmt.Errorf("the grant ended and was not read back: %s", r.Body)
		case !slices.Contains([]access.EndReason{reason, access.EndFailed, access.EndExpired}, access.EndReason(g.EndReason)):
			return fmt.Errorf("the grant ended as %s, want %s", g.EndReason, reason)
		}
		return nil
	})
}
