package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// writeDisposal writes the statements that dispose of what a closed role ($1) owns, and of its privileges, in the database
// that is connected to. With a new owner ($2), what ran with its owner's rights is first made to run with its caller's.
const writeDisposal = `
SELECT statement FROM (
  SELECT 1, format('ALTER ROUTINE %s SECURITY INVOKER', oid::regprocedure) FROM pg_proc
   WHERE $2 <> '' AND proowner = to_regrole(quote_ident($1)) AND prosecdef
  UNION ALL
  SELECT 2, format('ALTER VIEW %s SET (security_invoker = true)', oid::regclass) FROM pg_class
   WHERE $2 <> '' AND relowner = to_regrole(quote_ident($1)) AND relkind = 'v'
  UNION ALL
  SELECT 3, format('REASSIGN OWNED BY %I TO %I', $1::text, $2) WHERE $2 <> ''
  UNION ALL
  SELECT 4, format('DROP OWNED BY %I', $1::text)
) all_of_them (place, statement) ORDER BY place`

// Tidy disposes of what the role owns, and of the role.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	v, err := decodePlan(p)
	if err != nil {
		return "", err
	}
	// Whatever is disposed of, the access goes first, and once more.
	_, left, err := d.remove(ctx, v)
	if err != nil || !left.stays() {
		return "", err
	}
	_, undone := d.dispose(ctx, v, left)
	return undone, nil
}

// dispose disposes of what the closed role owns in each database, then of the role. Its text says what could not be done;
// none of that gives access.
func (d *driver) dispose(ctx context.Context, v plan, left remains) (remains, string) {
	var undone []string
	for _, database := range left.Databases {
		if err := d.disposeIn(ctx, d.poolOf(v.Account), database, left.Role); err != nil {
			undone = append(undone, fmt.Sprintf("database %q: %v", database, cause(err)))
		}
	}
	if len(left.Databases) > 0 && len(undone) == 0 {
		arg := v.order()
		arg.Drop = true
		var after remains
		if err := call(ctx, d.poolOf(v.Account), callEnd, arg, &after); err != nil {
			undone = append(undone, cause(err).Error())
		} else {
			left = after
		}
	}
	if !left.stays() {
		return left, ""
	}
	return left, left.describe(undone...)
}

// disposeIn disposes of everything in one database, or of nothing. It does not wait for locks: it would be waited for.
func (d *driver) disposeIn(ctx context.Context, pool *pgxpool.Pool, database, role string) error {
	return d.inDatabase(ctx, pool, database, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '200ms'`); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, writeDisposal, role, d.config.ObjectsOwner)
			if err != nil {
				return err
			}
			statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, strings.Join(statements, ";"), pgx.QueryExecModeSimpleProtocol)
			return err
		})
	})
}
