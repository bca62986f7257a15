package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// state is what one read says of accounts, with what proves that the reader can see.
type state struct {
	reader, system string
	// readOnly: the server may lag behind another.
	readOnly bool
	accounts map[string]bool
	marks    map[string]string
	sessions map[string]int
	// ownSession: the reader's own session, which must be there, is visible.
	ownSession bool
	// allSessions: so are those of others.
	allSessions bool
}

// readStates reads everything about the accounts of a list, which is put in place of %[1]s, and Curfew's own. It fails for a
// reader who may not see all sessions: INNODB_CMP is for those only who may.
const readStates = `
SELECT 'reader', CURRENT_USER(), IF(@@global.read_only, 'read-only', '')
UNION ALL SELECT 'system', CAST(id AS CHAR), '' FROM curfew.identity
UNION ALL SELECT 'account', CAST(User AS CHAR), '' FROM mysql.user WHERE User IN (?, %[1]s)
UNION ALL SELECT 'mark', CAST(account AS CHAR), CAST(mark AS CHAR) FROM curfew.marks WHERE account IN (%[1]s)
UNION ALL SELECT 'session', CAST(user AS CHAR), IF(id = CONNECTION_ID(), 'own', '')
  FROM information_schema.processlist WHERE id = CONNECTION_ID() OR user IN (%[1]s)
UNION ALL SELECT 'sight', CAST(COUNT(*) AS CHAR), '' FROM information_schema.innodb_cmp`

func (d *driver) readStates(ctx context.Context, plans []plan) (state, error) {
	s := state{accounts: map[string]bool{}, marks: map[string]string{}, sessions: map[string]int{}}
	list := strings.TrimSuffix(strings.Repeat("?, ", len(plans)), ", ")
	var accounts []any
	for _, v := range plans {
		accounts = append(accounts, v.Account)
	}
	args := slices.Concat([]any{d.config.User}, accounts, accounts, accounts)
	err := each(ctx, d.observer, fmt.Sprintf(readStates, list), args, func(rows *sql.Rows) error {
		var kind, name, value string
		err := rows.Scan(&kind, &name, &value)
		s.add(kind, name, value)
		return err
	})
	return s, err
}

func (s *state) add(kind, name, value string) {
	switch kind {
	case "reader":
		s.reader, s.readOnly = name, value != ""
	case "system":
		s.system = name
	case "account":
		s.accounts[name] = true
	case "mark":
		s.marks[name] = value
	case "session":
		if value == "own" {
			s.ownSession = true
		} else {
			s.sessions[name]++
		}
	case "sight":
		s.allSessions = true
	}
}

// Observe reads the account, its mark and its sessions in one statement, as the observer if there is one.
func (d *driver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	read := d.ObserveBatch(ctx, []connector.Task{{Order: o, Plan: p}})[0]
	return read.Presence, read.Err
}

// sees is the positive control.
func (d *driver) sees(s state, system string) bool {
	return s.accounts[d.config.User] && s.ownSession && s.allSessions && !s.readOnly && s.system == system
}

// presence is what the engine is told of an account.
func (d *driver) presence(s state, v plan) connector.Presence {
	atom := connector.AtomPresence{Atom: v.atom(), State: connector.Unknown}
	mark, marked := s.marks[v.Account]
	sees := d.sees(s, v.System)
	switch {
	case s.system != v.System, marked && mark != string(v.Mark): // another server, or somebody else's account
	case s.accounts[v.Account] || s.sessions[v.Account] > 0:
		atom.State = connector.Present
	case sees:
		atom.State = connector.Absent
	}
	presence := connector.Presence{Atoms: []connector.AtomPresence{atom}}
	if atom.State == connector.Present {
		presence.Sessions = s.sessions[v.Account]
	}
	if sees {
		presence.ReadBy = fmt.Sprintf("%s, who sees the account %s and all sessions on the server %s", s.reader, d.config.User, s.system)
	}
	return presence
}

// ObserveBatch implements connector.BatchObserver: one statement reads all accounts.
func (d *driver) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	var plans []plan
	var of []int
	for i, t := range tasks {
		v, err := decodePlan(t.Plan)
		if err != nil {
			out[i].Err = err
			continue
		}
		plans, of = append(plans, v), append(of, i)
	}
	if len(plans) == 0 {
		return out
	}
	s, err := d.readStates(ctx, plans)
	for n, i := range of {
		if err != nil {
			out[i].Err = d.fail(ctx, err, "read the account back")
			continue
		}
		out[i].Presence = d.presence(s, plans[n])
	}
	return out
}
