package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const callGrant = `CALL curfew.grant_account(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Grant makes the account, and with a recipient a password for it. Until there is one, nobody can log in.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	rights, err := json.Marshal(v.Rights)
	if err != nil {
		return connector.Outcome{}, fmt.Errorf("write the rights of a grant: %w", err)
	}
	password := newPassword()
	hash := mariaDB().hash
	if v.Flavour == mySQL().name {
		hash = mySQL().hash
	}
	issue := len(o.Recipient) > 0
	_, err = d.pool.ExecContext(ctx, callGrant, v.System, v.Account, string(v.Mark), v.Host, string(rights),
		!d.config.plain(), d.config.UserConnections, hash(password), issue, unixTime(o.ActBy))
	if err != nil {
		return connector.Outcome{}, d.fail(ctx, err, "make the account")
	}
	var out connector.Outcome
	if issue {
		c := d.credential(v.Database, v.Account, password)
		out.Credential = &c
	}
	return out, nil
}

// unixTime is t in seconds since 1970, as the procedures compare it: not a float, which could not hold the microseconds.
func unixTime(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

// readLive finds an account with its mark, and whether the order may still act. It takes the moment, the name, the mark and the identity of the server.
const readLive = `
SELECT UNIX_TIMESTAMP(SYSDATE(6)) > ? FROM curfew.marks m JOIN mysql.user u ON u.User = m.account JOIN curfew.identity i
 WHERE m.account = ? AND m.mark = ? AND i.id = ?`

// Extend has no expiry to move. It fails where the account is not there, for it makes none.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	var late bool
	err = one(ctx, d.pool, readLive, []any{unixTime(o.ActBy), v.Account, string(v.Mark), v.System}, &late)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return access.Errorf(access.KindNotFound, "The connector %s cannot extend the account: it is not there.", d.name)
	case err != nil:
		return d.fail(ctx, err, "extend the account")
	case late:
		return connector.TooLate(d.name)
	}
	return nil
}
