package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// tourDuration is how long the grant of the tour lives.
const tourDuration = 30 * time.Second

// tour plays the life of a grant. It fails at the first step that was not seen to happen.
func (d *demo) tour(ctx context.Context) error {
	psql, err := d.postgres.Program("psql")
	if err != nil {
		return err
	}
	engineer, err := d.person("engineer")
	if err != nil {
		return err
	}
	t := &tour{demo: d, psql: psql, engineer: engineer}
	d.say("The life of a grant: %s for %s, on a PostgreSQL of its own.\n", readOrders, tourDuration)
	for i, step := range []struct {
		what string
		play func(context.Context) error
	}{
		{"Refused: there is no standing access", t.refused},
		{"Asked: the engineer asks, with a reason", t.asked},
		{"Granted: the policy agrees, and the log-in exists now", t.granted},
		{"Used: a row is read", t.used},
		{"Cut off: a session is open when the time is up", t.cutOff},
		{"Refused again: the credential is worth nothing", t.refusedAgain},
		{"Gone: Curfew has read back that it is not there", t.gone},
	} {
		d.say("\n%d. %s", i+1, step.what)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d of the tour (%s): %w", i+1, step.what, err)
		}
	}
	d.say("\nEach of the seven steps was seen to happen.")
	return nil
}

// readOrders is what the demo's engineers have for the asking.
const readOrders = "orders-db/orders:read"

// tour is what the steps hand on to each other.
type tour struct {
	*demo
	psql       string
	engineer   *person
	grant      client.Grant
	credential access.Credential
}

// say writes a line of the narration.
func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Stdout, format+"\n", args...) }

// show writes what a program or Curfew said, set off from the narration.
func (d *demo) show(text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		d.say("     %s", line)
	}
}

func (t *tour) refused(ctx context.Context) error {
	t.show("$ psql --username=engineer orders")
	out, err := t.run(ctx, "engineer", "no-password", "TABLE orders")
	t.show(out)
	return wantRefusal(out, err)
}

// wantRefusal checks that psql was refused by the server, and did not fail for some other reason.
func wantRefusal(out string, err error) error {
	if err == nil {
		return errors.New("the log-in was accepted")
	}
	if !strings.Contains(out, "authentication failed") {
		return fmt.Errorf("psql failed in another way: %w", err)
	}
	return nil
}

func (t *tour) asked(ctx context.Context) error {
	const reason = "look at order 17"
	t.show(fmt.Sprintf("$ curfew request %s --for %s --reason %q --wait", readOrders, tourDuration, reason))
	r, err := t.engineer.request(ctx, tourDuration, reason)
	if err != nil {
		return err
	}
	if r.State != client.RequestState(access.RequestApproved) || len(r.Grants) != 1 {
		return fmt.Errorf("the request is %s: %s", r.State, r.Why)
	}
	t.grant = r.Grants[0]
	t.show("request " + access.Short(access.RequestID(r.ID)) + " is " + string(r.State) + ". " + r.Why)
	return nil
}

func (t *tour) granted(ctx context.Context) error {
	if t.grant.State != client.GrantState(access.GrantActive) {
		return fmt.Errorf("the grant is %s", t.grant.State)
	}
	t.show("$ curfew credential " + readOrders)
	var err error
	if t.credential, err = t.engineer.credential(ctx, t.grant.ID); err != nil {
		return err
	}
	t.show("username " + t.credential.Username)
	t.show(fmt.Sprintf("password …%s (sealed to the engineer's key; Curfew cannot open it)", t.credential.Password[max(0, len(t.credential.Password)-4):]))
	t.show("until    " + t.grant.Deadline.Local().Format(time.TimeOnly))
	return nil
}

func (t *tour) used(ctx context.Context) error {
	const query = "SELECT * FROM orders WHERE id = 17"
	t.show("$ psql -c '" + query + "'")
	out, err := t.run(ctx, t.credential.Username, t.credential.Password, query)
	t.show(out)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "Edsger") {
		return errors.New("the row was not there")
	}
	return nil
}

// cutOff keeps a session busy until the server ends it, and checks that this was at the deadline.
func (t *tour) cutOff(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, t.grant.Deadline.Add(30*time.Second))
	defer cancel()
	t.show("$ psql        # stays open, and asks every three seconds")
	err := t.session(ctx, t.credential, "SELECT to_char(clock_timestamp(), 'HH24:MI:SS') || '  still connected'", 3*time.Second)
	late := time.Since(t.grant.Deadline)
	if err == nil {
		return errors.New("the session ended by itself")
	}
	t.show(fmt.Sprintf("psql noticed with its next statement, %d ms after the deadline", late.Milliseconds()))
	if late < 0 {
		return fmt.Errorf("that was before the deadline: %w", err)
	}
	return ctx.Err()
}

func (t *tour) refusedAgain(ctx context.Context) error {
	t.show("$ psql --username=" + t.credential.Username + " orders")
	out, err := t.run(ctx, t.credential.Username, t.credential.Password, "TABLE orders")
	t.show(out)
	return wantRefusal(out, err)
}

func (t *tour) gone(ctx context.Context) error {
	t.show("$ curfew grants --all")
	g, err := t.engineer.waitEnded(ctx, t.grant.ID)
	if err != nil {
		return err
	}
	t.show(fmt.Sprintf("%s  %s  %s (%s), %d session ended", access.Short(access.GrantID(g.ID)), g.Entitlement, g.State, g.EndReason, g.SessionsEnded))
	t.show(fmt.Sprintf("verified at %s by %s", g.VerifiedAt.Local().Format("15:04:05.000"), g.VerifiedBy))
	if g.VerifiedAt.IsZero() || g.EndReason != client.GrantEndReason(access.EndExpired) {
		return errors.New("it was not read back as gone")
	}
	return t.seenBySuperuser(ctx)
}

// seenBySuperuser looks at the target past Curfew.
func (t *tour) seenBySuperuser(ctx context.Context) error {
	t.show("$ psql --username=postgres    # the database's own superuser looks for it")
	query := "SELECT count(*) AS log_ins_left FROM pg_roles WHERE rolcanlogin AND rolname = '" + t.credential.Username + "'"
	out, err := t.runDSN(ctx, t.postgres.SuperuserDSN("orders"), query)
	t.show(out)
	if err != nil {
		return err
	}
	if !strings.Contains(out, " 0\n") {
		return errors.New("the superuser still sees it")
	}
	return nil
}
