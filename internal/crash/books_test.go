package crash

import (
	"encoding/json"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// books reads the store's file. Only while no child runs.
func (l *life) books() curfewdtest.Books {
	l.Helper()
	s, err := sqlstore.OpenSQLite(l.ctx, l.storeAt, sqlstore.Options{})
	if err != nil {
		l.Fatal(err)
	}
	defer s.Close()
	books, err := curfewdtest.ReadBooks(l.ctx, s)
	if err != nil {
		l.Fatal(err)
	}
	return books
}

// roles lists what bears the mark of an installation at PostgreSQL; empty is any installation.
func (l *life) roles(installation string) []curfewdtest.Role {
	l.Helper()
	roles, err := l.pg.Roles(l.ctx, installation)
	if err != nil {
		l.Fatal(err)
	}
	return roles
}

// holdAgainstTheBooks checks, while no Curfew runs, that there is no access which the books do not know of, and none
// that would outlive its deadline if Curfew never came back.
func (l *life) holdAgainstTheBooks() {
	l.Helper()
	books := l.books()
	for _, r := range l.roles(books.Installation) {
		g, known := books.Grants[r.Grant]
		switch {
		case !known:
			l.Errorf("the role %s is in nobody's books", r.Name)
		case !g.State.Live() && r.Login:
			l.Errorf("the role %s can log in, and its grant is %s", r.Name, g.State)
		case !g.State.Live() && g.State != access.GrantEnded:
			l.Errorf("the role %s is there, and its grant is %s", r.Name, g.State)
		case r.Login && (r.Until.IsZero() || (r.Until.After(g.Deadline) && r.Until.After(g.ExtendTo))):
			l.Errorf("the role %s is valid until %s, and its grant until %s, promised %s", r.Name, r.Until, g.Deadline, g.ExtendTo)
		}
	}
	l.holdMembershipAgainstTheBooks(books.Grants)
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
			if ours[role.Grant] {
				return errTryAgain
			}
		}
		return nil
	})
	l.child.Stop()
	for _, g := range l.books().Grants {
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
