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
	engineer, err := d.person("engineer")
	if err != nil {
		return err
	}
	t := &tour{demo: d, engineer: engineer}
	visitor, err := d.visitor(t)
	if err != nil {
		return err
	}
	t.entitlement = visitor.entitlement()
	d.say("The life of a grant: %s for %s, on %s of its own.\n", t.entitlement, tourDuration, visitor.where())
	for i, step := range []struct {
		what string
		play func(context.Context) error
	}{
		{"Refused: there is no standing access", visitor.refused},
		{"Asked: the engineer asks, with a reason", t.asked},
		{"Granted: the policy agrees, and the access exists now", t.granted},
		{"Used: something is read", visitor.used},
		{"Cut off: it is in use when the time is up", visitor.cutOff},
		{"Refused again: what was given is worth nothing", visitor.refusedAgain},
		{"Gone: Curfew has read back that it is not there", func(ctx context.Context) error {
			return errors.Join(t.gone(ctx), visitor.unseen(ctx))
		}},
	} {
		d.say("\n%d. %s", i+1, step.what)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d of the tour (%s): %w", i+1, step.what, err)
		}
	}
	d.say("\nEach of the seven steps was seen to happen.")
	return nil
}

// visitor does at a target what its users do, for a tour. Each method shows what it does, and fails unless it was seen to happen.
type visitor interface {
	// entitlement is what the tour asks for, and where says at what kind of target.
	entitlement() string
	where() string
	// refused tries without a credential, used with it. cutOff goes on with it until the target refuses, which must not
	// be before the deadline. refusedAgain tries once more.
	refused(context.Context) error
	used(context.Context) error
	cutOff(context.Context) error
	refusedAgain(context.Context) error
	// unseen looks for what was made, past Curfew.
	unseen(context.Context) error
}

// visitor is that of the target which the tour was asked for.
func (d *demo) visitor(t *tour) (visitor, error) {
	if d.Tour != Postgres {
		return d.others[d.Tour].visitor(t), nil
	}
	program, err := d.postgres.Program("psql")
	return &psql{tour: t, program: program}, err
}

// tour is what the steps hand on to each other.
type tour struct {
	*demo
	entitlement string
	engineer    *person
	grant       client.Grant
	credential  access.Credential
	// ownLogin is whose log-in is used at a target for which none is issued.
	ownLogin string
}

// say writes a line of the narration.
func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Stdout, format+"\n", args...) }

// show writes what a program or Curfew said, set off from the narration.
func (d *demo) show(text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		d.say("     %s", line)
	}
}

func (t *tour) asked(ctx context.Context) error {
	const reason = "look at order 17"
	t.show(fmt.Sprintf("$ curfew request %s --for %s --reason %q --wait", t.entitlement, tourDuration, reason))
	r, err := t.engineer.request(ctx, t.entitlement, tourDuration, reason)
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
	if t.ownLogin != "" {
		t.show("log-in   " + t.ownLogin + ", which was there before; Curfew issues none here")
		t.show("until    " + t.grant.Deadline.Local().Format(time.TimeOnly))
		return nil
	}
	t.show("$ curfew credential " + t.entitlement)
	var err error
	if t.credential, err = t.engineer.credential(ctx, t.grant.ID); err != nil {
		return err
	}
	t.show("username " + t.credential.Username)
	t.show(fmt.Sprintf("password …%s (sealed to the engineer's key; Curfew cannot open it)", t.credential.Password[max(0, len(t.credential.Password)-4):]))
	t.show("until    " + t.grant.Deadline.Local().Format(time.TimeOnly))
	return nil
}

// untilRefused asks every three seconds until the target refuses, and checks that this was not before the deadline.
func (t *tour) untilRefused(ctx context.Context, ask func() (allowed bool, err error)) error {
	ctx, cancel := context.WithDeadline(ctx, t.grant.Deadline.Add(30*time.Second))
	defer cancel()
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		allowed, err := ask()
		late := time.Since(t.grant.Deadline)
		switch {
		case err != nil:
			return err
		case !allowed && late < 0:
			return errors.New("that was before the deadline")
		case !allowed:
			t.show(fmt.Sprintf("it was refused when it was next asked, %d ms after the deadline", late.Milliseconds()))
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("it still works after the deadline")
		}
	}
}

func (t *tour) gone(ctx context.Context) error {
	t.show("$ curfew grants --all")
	g, err := t.engineer.waitEnded(ctx, t.grant.ID)
	if err != nil {
		return err
	}
	t.show(fmt.Sprintf("%s  %s  %s (%s), %d %s ended", access.Short(access.GrantID(g.ID)), g.Entitlement, g.State, g.EndReason, g.SessionsEnded, plural(int(g.SessionsEnded), "session", "sessions")))
	t.show(fmt.Sprintf("verified at %s by %s", g.VerifiedAt.Local().Format("15:04:05.000"), g.VerifiedBy))
	if g.VerifiedAt.IsZero() || g.EndReason != client.GrantEndReason(access.EndExpired) {
		return errors.New("it was not read back as gone")
	}
	return nil
}
