package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// leaveTimeout bounds giving back a membership that was taken to roll a transaction back.
const leaveTimeout = 5 * time.Second

// writeRollback writes a statement that takes no parameter and runs in no function.
const writeRollback = `SELECT format('ROLLBACK PREPARED %L', $1::text)`

// prepared is a transaction that was prepared (PREPARE TRANSACTION). It has no session, holds its locks until it is
// finished, and only its owner can finish it, in its database. The owner is whoever the session acted as.
type prepared struct {
	GID      string `json:"gid"`
	Database string `json:"database"`
	// Owner is empty when that role has been dropped.
	Owner string `json:"owner"`
}

// rollBack rolls a prepared transaction back, which must be done as its owner and in its database. Curfew's account must be
// a member of the owner.
func (d *driver) rollBack(ctx context.Context, t prepared) error {
	return d.inDatabase(ctx, d.pool, t.Database, func(conn *pgx.Conn) error {
		var statement string
		if err := conn.QueryRow(ctx, writeRollback, t.GID).Scan(&statement); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, `SELECT set_config('role', $1, false)`, t.Owner); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		if sqlState(err) == stateUndefinedObject {
			return nil // finished meanwhile
		}
		return err
	})
}

// errBeyond means that Curfew's account may not finish a prepared transaction.
var errBeyond = errors.New("the account may not roll it back")

// rollBackAsMember rolls back what belongs to any role, as a member of it for the time that this takes. It fails with
// errBeyond when the account cannot act as that role, or not in that database.
func (d *driver) rollBackAsMember(ctx context.Context, t prepared) (err error) {
	if t.Owner == "" {
		return errBeyond
	}
	argument := struct {
		Role string `json:"role"`
	}{t.Owner}
	var none struct{}
	defer func() {
		if sqlState(err) == statePermissionDenied {
			err = errors.Join(errBeyond, err)
		}
	}()
	if err := call(ctx, d.pool, callJoin, argument, &none); err != nil {
		return err
	}
	defer func() {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer cancel()
		err = errors.Join(err, call(leaving, d.pool, callLeave, argument, &none))
	}()
	return d.rollBack(ctx, t)
}
