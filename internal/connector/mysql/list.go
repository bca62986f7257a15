package mysql

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

const listDatabases = `SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata ORDER BY schema_name`

// databases are those that can be asked for. One whose name could not be shown and typed is left out.
func (d *driver) databases(ctx context.Context) (all []string, err error) {
	err = each(ctx, d.pool, listDatabases, nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		if err == nil && checkDatabase(name) == nil && (len(d.config.Databases) == 0 || slices.Contains(d.config.Databases, name)) {
			all = append(all, name)
		}
		return err
	})
	return all, d.fail(ctx, err, "list its databases")
}

// Discover yields the databases that can be asked for, each with the permissions that can be given on it.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		databases, err := d.databases(ctx)
		if err != nil {
			yield(access.Resource{}, err)
			return
		}
		offers := map[string]offer{}
		for _, name := range slices.Sorted(maps.Keys(d.config.Permissions)) {
			o, err := d.offer(ctx, d.config.Permissions[name])
			if access.KindOf(err) == access.KindMisconfigured {
				continue // Check says so; the others can be asked for
			}
			if err != nil {
				yield(access.Resource{}, err)
				return
			}
			offers[name] = o
		}
		for _, database := range databases {
			r := access.Resource{Name: database}
			for _, name := range slices.Sorted(maps.Keys(offers)) {
				if offers[name].on(database) {
					r.Permissions = append(r.Permissions, name)
				}
			}
			if len(r.Permissions) > 0 && !yield(r, nil) {
				return
			}
		}
	}
}

const listMarked = `
SELECT CAST(m.account AS CHAR), CAST(m.mark AS CHAR), EXISTS (SELECT 1 FROM mysql.user u WHERE u.User = m.account)
  FROM curfew.marks m ORDER BY m.account`

// List yields every account that bears a mark, and marks whose account is not there: yet, or any more.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		system, err := d.readSystem(ctx)
		if err != nil {
			yield(access.Sighting{}, err)
			return
		}
		err = each(ctx, d.pool, listMarked, nil, func(rows *sql.Rows) error {
			v := plan{System: system}
			var there bool
			if err := rows.Scan(&v.Account, &v.Mark, &there); err != nil {
				return err
			}
			note := "an account"
			if !there {
				note = "the mark of an account that is not there"
			}
			p, err := v.encode()
			if err == nil && !yield(access.Sighting{Mark: v.Mark, Atom: v.atom(), Note: note, Plan: p}, nil) {
				err = errEnough
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(access.Sighting{}, d.fail(ctx, err, "list the accounts that it made"))
		}
	}
}
