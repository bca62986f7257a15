package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// hostileNames would mean something inside a statement, a pattern, JSON, or a name.
func hostileNames() []string {
	return []string{
		"orders_", "o_ders", "orders%", "%", "_", `a\_b`, `\`, `a\`, "a`b", "`", "``; DROP USER root; --", "a'b", `a"b`, "'; --", "$.x", `{"role":"x"}`,
		"a.b", "*", "*.*", "a b", "é", "日本", "ß", "SS", "ORDERS", "null", "NULL", "-- ", "/*", "@x", "?", "a@b", "#", strings.Repeat("x", 64),
	}
}

// FuzzNames makes a database and a table of any name, gives an account privileges on both and on one alone, and takes them again:
// the account has those rights and no others, and nothing else changes, before and after.
func FuzzNames(f *testing.F) {
	for _, name := range hostileNames() {
		f.Add(name)
	}
	p := start(f)
	p.exec(f, `GRANT SELECT ON *.* TO curfew_owner@localhost WITH GRANT OPTION`)
	whole := p.open(f, func(c *Config) { c.Permissions = map[string]Permission{"read": {Privileges: []string{"SELECT"}}} })
	f.Fuzz(func(t *testing.T, name string) {
		if checkDatabase(name) != nil {
			o := order("read")
			o.Entitlement.Resource = name
			if _, err := whole.Prepare(t.Context(), o); access.KindOf(err) != access.KindInvalid {
				t.Errorf("Prepare of %q: %v", name, err)
			}
			return
		}
		if _, err := p.root.ExecContext(t.Context(), `CREATE DATABASE `+quoted(name)); err != nil {
			return // no name for a database
		}
		t.Cleanup(func() { _, _ = p.root.ExecContext(context.WithoutCancel(t.Context()), `DROP DATABASE `+quoted(name)) })
		if _, err := p.root.ExecContext(t.Context(), `CREATE TABLE `+quoted(name)+`.`+quoted(name)+` (id INT)`); err != nil {
			return
		}
		single := p.open(t, func(c *Config) {
			c.Permissions = map[string]Permission{"read": {Privileges: []string{"SELECT"}, Tables: []string{name}}}
		})
		for _, d := range []*driver{whole, single} {
			p.giveOne(t, d, name)
		}
	})
}

// giveOne gives an account a right on the database and takes it again.
func (p *peer) giveOne(t *testing.T, d *driver, name string) {
	t.Helper()
	before := p.snapshot(t)
	o := order("read")
	o.Entitlement.Resource = name
	g := give(t, d, o)
	if after := p.snapshot(t, o.Mark); after != before {
		t.Errorf("with %q something else has changed:\n%s\n%s", name, before, after)
	}
	account := accountName(o.Grant)
	rights := p.rows(t, `SELECT COUNT(*) FROM mysql.db WHERE User = ? UNION ALL SELECT COUNT(*) FROM mysql.tables_priv WHERE User = ?`, account, account)
	if fmt.Sprint(rights) != "[[1] [0]]" && fmt.Sprint(rights) != "[[0] [1]]" {
		t.Errorf("with %q it has the rights %v", name, rights)
	}
	seen := ""
	db := p.as(t, g, "")
	for _, row := range rowsOf(t, db, `SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'performance_schema')`) {
		seen += fmt.Sprintf("%q", row)
	}
	if want := fmt.Sprintf("%q", []string{name, name}); seen != want {
		t.Errorf("with %q it sees %s, want %s", name, seen, want)
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Errorf("Revoke with %q: %v", name, err)
	}
	if after := p.snapshot(t); after != before {
		t.Errorf("after %q something is left:\n%s", name, after)
	}
}

// TestHostileRoles gives roles of any name. MariaDB refuses few.
func TestHostileRoles(t *testing.T) {
	p := start(t)
	for _, name := range hostileNames() {
		if checkIdentifier(name, maxAccount) != nil {
			continue
		}
		if _, err := p.root.ExecContext(t.Context(), `CREATE ROLE `+quoted(name)); err != nil {
			t.Logf("no name for a role: %q", name)
			continue
		}
		p.exec(t, `GRANT SELECT ON orders.* TO `+quoted(name))
		p.exec(t, `GRANT `+quoted(name)+` TO curfew_owner@localhost WITH ADMIN OPTION`)
		d := p.open(t, func(c *Config) { c.Permissions = map[string]Permission{"read": {Role: name}} })
		before := p.snapshot(t)
		g := give(t, d, order("read"))
		if after := p.snapshot(t, g.order.Mark); after != before {
			t.Errorf("with %q something else has changed:\n%s", name, after)
		}
		if got := rowsOf(t, p.as(t, g, ""), `SELECT note FROM orders.orders`); len(got) != 1 {
			t.Errorf("with %q the account reads %v", name, got)
		}
		if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
			t.Errorf("Revoke with %q: %v", name, err)
		}
		if after := p.snapshot(t); after != before {
			t.Errorf("after %q something is left:\n%s", name, after)
		}
		p.exec(t, `DROP ROLE `+quoted(name))
	}
}
