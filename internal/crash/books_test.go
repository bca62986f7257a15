package crash

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// books reads the store's file. Only while no child runs.
func (l *life) books() (installation string, grants map[access.GrantID]access.Grant) {
	l.Helper()
	s, err := sqlstore.OpenSQLite(l.ctx, l.storeAt, sqlstore.Options{})
	if err != nil {
		l.Fatal(err)
	}
	defer s.Close()
	grants = map[access.GrantID]access.Grant{}
	err = s.View(l.ctx, func(tx store.Tx) error {
		if installation, err = tx.Installation().ID(); err != nil {
			return err
		}
		all, _, err := tx.Grants().List(access.DefaultTenant, store.GrantFilter{}, store.Page{Limit: 1000})
		for _, g := range all {
			grants[g.ID] = g
		}
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return installation, grants
}

// role is one of ours at PostgreSQL.
type role struct {
	name  string
	grant access.GrantID
	login bool
	until time.Time
}

// roles lists what bears the mark of an installation at PostgreSQL, with a superuser's eyes; empty is any installation.
func (l *life) roles(installation string) []role {
	l.Helper()
	prefix := "curfew1:"
	if installation != "" {
		prefix += installation + ":"
	}
	rows, err := connect(l.T, l.pg.SuperuserDSN("postgres")).Query(l.ctx, `
		SELECT r.rolname, shobj_description(r.oid, 'pg_authid'), r.rolcanlogin,
		       CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil ELSE 'epoch' END
		FROM pg_roles r WHERE starts_with(shobj_description(r.oid, 'pg_authid'), $1)`, prefix)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	var out []role
	for rows.Next() {
		var r role
		var mark string
		var until *time.Time
		if err := rows.Scan(&r.name, &mark, &r.login, &until); err != nil {
			l.Fatal(err)
		}
		if parts := strings.Split(mark, ":"); len(parts) == 6 {
			r.grant = access.GrantID(parts[4])
		}
		if until != nil {
			r.until = *until
		}
		out = append(out, r)
	}
	if rows.Err() != nil {
		l.Fatal(rows.Err())
	}
	return out
}

// holdAgainstTheBooks checks, while no Curfew runs, that there is no access which the books do not know of, and none
// that would outlive its deadline if Curfew never came back.
func (l *life) holdAgainstTheBooks() {
	l.Helper()
	installation, grants := l.books()
	for _, r := range l.roles(installation) {
		g, known := grants[r.grant]
		switch {
		case !known:
			l.Errorf("the role %s is in nobody's books", r.name)
		case !g.State.Live() && r.login:
			l.Errorf("the role %s can log in, and its grant is %s", r.name, g.State)
		case !g.State.Live() && g.State != access.GrantEnded:
			l.Errorf("the role %s is there, and its grant is %s", r.name, g.State)
		case r.login && (r.until.IsZero() || (r.until.After(g.Deadline) && r.until.After(g.ExtendTo))):
			l.Errorf("the role %s is valid until %s, and its grant until %s, promised %s", r.name, r.until, g.Deadline, g.ExtendTo)
		}
	}
	l.holdMembershipAgainstTheBooks(grants)
}

// nothingLeft waits until every grant has ended and nothing of any is at PostgreSQL, not even something to tidy.
func (l *life) nothingLeft() {
	l.Helper()
	l.step("tidy", func() error {
		r, err := l.as("carol").ListGrantsWithResponse(l.ctx, &client.ListGrantsParams{Scope: "all", Ended: true, Limit: 100})
		if err := done(err, r); err != nil {
			return err
		}
		var list client.GrantList
		if err := json.Unmarshal(r.Body, &list); err != nil {
			return err
		}
		ours := map[access.GrantID]bool{}
		for _, g := range list.Items {
			if access.GrantState(g.State) != access.GrantEnded || g.Housekeeping != "" {
				return errTryAgain
			}
			ours[access.GrantID(g.ID)] = true
		}
		for _, role := range l.roles("") {
			if ours[role.grant] {
				return errTryAgain
			}
		}
		return nil
	})
	l.child.stop()
	_, grants := l.books()
	for _, g := range grants {
		if g.State != access.GrantEnded || g.Housekeeping != "" || !g.DueAt.IsZero() {
			l.Errorf("at the end of everything grant %s is %s, with %q to tidy, due %s", g.ID, g.State, g.Housekeeping, g.DueAt)
		}
		if attested := g.EndReason == access.EndAttested; g.VerifiedAt.IsZero() && !g.ActivatedAt.IsZero() && !attested {
			l.Errorf("grant %s was activated and never read back as gone", g.ID)
		}
	}
	if l.isMember() {
		l.Errorf("at the end of everything %s is a member of a group", l.logIn)
	}
}
