package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
)

// makeLogIn makes the log-in that Alice has at PostgreSQL, for this life alone: what is shared by several grants is not
// shared by several lives.
func (l *life) makeLogIn() {
	l.Helper()
	l.super(`CREATE ROLE ` + pgx.Identifier{l.logIn}.Sanitize() + ` LOGIN`)
}

// super runs a statement with a superuser's rights.
func (l *life) super(sql string) {
	l.Helper()
	conn, err := pgx.Connect(l.ctx, l.pg.SuperuserDSN("postgres"))
	if err != nil {
		l.Fatal(err)
	}
	_, err = conn.Exec(l.ctx, sql)
	if err := errors.Join(err, conn.Close(l.ctx)); err != nil {
		l.Fatalf("%s: %v", sql, err)
	}
}

// isMember reads whether Alice has the right that her grants of memberships share.
func (l *life) isMember() (is bool) {
	l.Helper()
	err := curfewdtest.Connect(l.T, l.pg.SuperuserDSN("postgres")).QueryRow(l.ctx, `
		SELECT EXISTS (SELECT FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.member WHERE r.rolname = $1)`, l.logIn).Scan(&is)
	if err != nil {
		l.Fatal(err)
	}
	return is
}

// holdMembershipAgainstTheBooks checks that a grant which may be at the target explains the membership.
func (l *life) holdMembershipAgainstTheBooks(grants map[access.GrantID]access.Grant) {
	l.Helper()
	if !l.isMember() {
		return
	}
	for _, g := range grants {
		if g.Entitlement.Connector == "members" && g.State.Live() {
			return
		}
	}
	l.Errorf("%s is a member of a group, and no grant says so", l.logIn)
}

// shareARight leads two grants of one right through their lives: both are given at once, so that one waits for the
// other, and their end is that somebody takes the right away at the target.
func (l *life) shareARight() {
	l.Helper()
	first := l.active(l.submit("members"))
	l.step("return", func() error {
		r, err := l.as("alice").ReturnGrantWithResponse(l.ctx, first)
		return done(err, r)
	})
	l.ended(first, access.EndReturned)

	hold := filepath.Join(l.company.Folder, holdFile)
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		l.Fatal(err)
	}
	requests := []string{l.submit("members"), l.submit("members")}
	grants := []string{l.active(requests[0]), l.active(requests[1])}
	if err := os.Remove(hold); err != nil {
		l.Fatal(err)
	}
	l.super(`REVOKE orders_read FROM ` + pgx.Identifier{l.logIn}.Sanitize() + ` GRANTED BY curfew`)
	for _, g := range grants {
		l.ended(g, access.EndRemovedAtTarget)
	}
}

// findOthers has another installation make two roles: one that an administrator accepts, and one that goes again.
func (l *life) findOthers() {
	l.Helper()
	accepted, gone := l.logIn+"_accepted", l.logIn+"_gone"
	for _, name := range []string{accepted, gone} {
		role := pgx.Identifier{name}.Sanitize()
		l.super(`CREATE ROLE ` + role + `; COMMENT ON ROLE ` + role + ` IS 'curfew1:elsewhere:default:db:` + name + `:mac'`)
	}
	finding := l.found(accepted, client.FindingStateOpen)
	l.step("accept", func() error {
		r, err := l.as("carol").AcceptFindingWithResponse(l.ctx, finding, client.AcceptBody{Reason: "theirs"})
		return done(err, r, http.StatusConflict)
	})
	l.found(gone, client.FindingStateOpen)
	l.super(`DROP ROLE ` + pgx.Identifier{gone}.Sanitize())
	l.found(gone, client.FindingStateRemoved)
	l.super(`DROP ROLE ` + pgx.Identifier{accepted}.Sanitize())
}

// found waits until the role of that name is a finding in that state.
func (l *life) found(name string, state client.FindingState) (id string) {
	l.Helper()
	l.step(fmt.Sprintf("find %s %s", name, state), func() error {
		r, err := l.as("carol").ListFindingsWithResponse(l.ctx, &client.ListFindingsParams{All: true, Limit: 1000})
		if err := done(err, r); err != nil {
			return err
		}
		var list client.FindingList
		if err := json.Unmarshal(r.Body, &list); err != nil {
			return err
		}
		for _, f := range list.Items {
			if f.Mark == "curfew1:elsewhere:default:db:"+name+":mac" && f.State == state {
				id = f.ID
				return nil
			}
		}
		return errTryAgain
	})
	return id
}
