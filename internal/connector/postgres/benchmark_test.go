package postgres

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// BenchmarkRemoval takes back, and reads back, as many grants at once as one call may, while others stay live. The figure to trust is
// PostgreSQL's CPU a role.
//
//	go test -run ^$ -bench Removal -benchtime 10x ./internal/connector/postgres
func BenchmarkRemoval(b *testing.B) {
	eachCrowd(b, func(b *testing.B, c *crowd) {
		var cpu time.Duration
		for b.Loop() {
			b.StopTimer()
			tasks := c.grow(b, connector.MaxBatch)
			before := c.cpu(b)
			b.StartTimer()
			for i, r := range c.RevokeBatch(b.Context(), tasks) {
				if r.Err != nil || r.Removal.Housekeeping != "" {
					b.Fatalf("task %d: %+v, %v", i, r.Removal, r.Err)
				}
			}
			for i, o := range c.ObserveBatch(b.Context(), tasks) {
				if o.Err != nil || o.Presence.State() != connector.Absent {
					b.Fatalf("task %d is %s: %v", i, o.Presence.State(), o.Err)
				}
			}
			cpu += c.cpu(b) - before
		}
		report(b, cpu, b.N*connector.MaxBatch, "role")
	})
}

// BenchmarkGrant prepares and makes grants one after the other while others are live.
//
//	go test -run ^$ -bench Grant -benchtime 100x ./internal/connector/postgres
func BenchmarkGrant(b *testing.B) {
	eachCrowd(b, func(b *testing.B, c *crowd) {
		for range 8 * len(c.accounts) { // the first statements of a session are planned
			give(b, c.driver)
		}
		before := c.cpu(b)
		for b.Loop() {
			give(b, c.driver)
		}
		report(b, c.cpu(b)-before, b.N, "grant")
	})
}

func report(b *testing.B, cpu time.Duration, n int, what string) {
	b.ReportMetric(float64(cpu.Microseconds())/float64(n), "pg-µs/"+what)
}

// benchmarkAdmins is how many administrators share a crowd out, where any do.
const benchmarkAdmins = 16

// crowd is a driver before a server with so many live roles that it might have made.
type crowd struct {
	*driver
	peer     *peer
	accounts []string
	next     int
}

// eachCrowd runs f for each version and number of live roles.
func eachCrowd(b *testing.B, f func(*testing.B, *crowd)) {
	for _, v := range versions() {
		for _, live := range []int{500, 5000} {
			for _, admins := range []int{0, benchmarkAdmins} {
				if admins > 0 && v < 16 {
					continue
				}
				b.Run(fmt.Sprintf("%d/live=%d/admins=%d", v, live, admins), func(b *testing.B) {
					f(b, newCrowd(b, v, live, admins))
				})
			}
		}
	}
}

func newCrowd(b *testing.B, version, live, admins int) *crowd {
	b.Helper()
	p := newPeer(b, version)
	c := &crowd{peer: p, accounts: []string{"curfew"}}
	if admins > 0 {
		c.accounts = p.makeAdmins(b, admins)
	}
	c.driver = p.open(b, func(config *Config) {
		config.Iterations = 1
		if admins > 0 {
			config.AdminRoles = c.accounts
		}
	})
	for range live / connector.MaxBatch {
		c.grow(b, connector.MaxBatch)
	}
	return c
}

// growth has an account make roles as grant.sql would, with one statement for the memberships of all.
const growth = `
DO $$
DECLARE
    names text[] := %s;
    who   text := %s;
    v16   boolean := current_setting('server_version_num')::int >= 160000;
    each  text;
BEGIN
    FOREACH each IN ARRAY names LOOP
        EXECUTE format('CREATE ROLE %%I LOGIN VALID UNTIL %%L', each, '2100-01-01');
        EXECUTE format('COMMENT ON ROLE %%I IS %%L', each, 'curfew:' || each);
    END LOOP;
    IF v16 THEN
        EXECUTE format('GRANT %%s TO %%I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', array_to_string(names, ', '), who);
    END IF;
    EXECUTE format('GRANT orders_read TO %%s', array_to_string(names, ', '))
            || CASE WHEN v16 THEN ' WITH INHERIT TRUE, SET FALSE GRANTED BY ' || who ELSE '' END;
END $$`

// grow makes n more roles, and answers with the tasks that are about them. The superuser makes them, for whom the number of the
// others does not matter.
func (c *crowd) grow(b *testing.B, n int) []connector.Task {
	b.Helper()
	tasks := make([]connector.Task, n)
	plans, names, made := make([]plan, n), make([]string, n), map[string][]string{}
	system := read[string](b, c.peer, "postgres", `SELECT system_identifier::text FROM pg_control_system()`)
	for i := range n {
		names[i] = fmt.Sprintf("curfew_crowd_%d", c.next)
		account := c.accounts[c.next%len(c.accounts)]
		made[account] = append(made[account], names[i])
		plans[i] = plan{
			Role: names[i], Mark: access.Mark("curfew:" + names[i]), Groups: []string{"orders_read"},
			Database: "orders", Account: account, System: system,
		}
		c.next++
	}
	for account, names := range made {
		c.peer.exec(b, "postgres", fmt.Sprintf(growth, "'{"+strings.Join(names, ",")+"}'", "'"+account+"'"))
	}
	for i, oid := range read[[]uint32](b, c.peer, "postgres", `SELECT array_agg(n::regrole::oid ORDER BY o) FROM unnest($1::text[]) WITH ORDINALITY x(n, o)`, names) {
		plans[i].OID = oid
		p, err := plans[i].encode()
		if err != nil {
			b.Fatal(err)
		}
		tasks[i].Plan = p
	}
	return tasks
}

// cpu is the time that the server's sessions of Curfew's accounts have computed.
func (c *crowd) cpu(b *testing.B) (total time.Duration) {
	b.Helper()
	for _, pid := range read[[]int](b, c.peer, "postgres", `SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity WHERE usename LIKE 'curfew%'`) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			b.Fatal(err)
		}
		running, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(running, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}
