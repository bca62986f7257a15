package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
)

// maxTypedName bounds what is read where a person's name is to be typed.
const maxTypedName = 1024

func (p *program) auditForgetCommand() *cobra.Command {
	var body client.ErasureBody
	var sure bool
	cmd := &cobra.Command{
		Use:   "forget PERSON --reason TEXT",
		Short: "Erase a person's names and words from the log and the books, for good",
		Long: `Erase what is kept of a person: names, accounts, reasons, comments, tickets, parameters.
A pseudonym takes their place. The audit log still verifies, against checkpoints from
before as well, and says "erased" where something was.

What would be changed is shown first, and the person's name must be typed. Who has something
under way, or something that ended within a day, cannot be forgotten yet. Old backups, old
exports and the configuration keep what they have: see docs/audit.md.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !body.Plan && body.Reason == "" {
				return usagef("--reason is needed, and is kept in the audit log: do not name the person in it")
			}
			body.Person = args[0]
			return p.forget(cmd.Context(), body, sure, cmd.InOrStdin())
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why, without the person's name")
	cmd.Flags().StringArrayVar(&body.Principals, "principal", nil, "one more account of theirs, which neither the directory nor the books know to be theirs")
	cmd.Flags().BoolVar(&body.Plan, "dry-run", false, "show what would be changed, and change nothing")
	cmd.Flags().BoolVar(&sure, "yes", false, "do not ask for the name")
	return cmd
}

// forget shows what would be changed, asks, and waits a moment for the end.
func (p *program) forget(ctx context.Context, body client.ErasureBody, sure bool, typed io.Reader) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	if body.Plan || !sure {
		if err := p.planForget(ctx, c, body); err != nil || body.Plan {
			return err
		}
		if err := p.confirm(body.Person, typed); err != nil {
			return err
		}
	}
	e, err := decode[client.Erasure](c.ForgetPerson(ctx, body))
	if err != nil {
		return err
	}
	id := e.ID
	e, err = poll(ctx, e, func(e client.Erasure) bool { return !e.DoneAt.IsZero() }, func() (client.Erasure, error) {
		return decode[client.Erasure](c.GetErasure(ctx, id))
	})
	if err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(e)
	}
	if e.DoneAt.IsZero() {
		p.say("Under way, and goes on by itself: so far %s. The audit log says when it is done (person.forgotten).", countsText(e.Counts))
		return nil
	}
	p.say("Forgotten, and now called %s: %s.", e.Pseudonym, countsText(e.Counts))
	return nil
}

// planForget shows what would be changed. Where the answer is to be JSON, only that of a dry run is.
func (p *program) planForget(ctx context.Context, c *client.Client, body client.ErasureBody) error {
	dry := body.Plan
	body.Plan = true
	plan, err := decode[client.Erasure](c.ForgetPerson(ctx, body))
	if err != nil {
		return err
	}
	if p.wantsJSON() {
		if dry {
			return p.printJSON(plan)
		}
		return nil
	}
	p.say("To be changed: %s.", countsText(plan.Counts))
	if len(plan.InDirectory) > 0 {
		p.say("In the directory still, so that new entries will name them again: %s.", strings.Join(plan.InDirectory, ", "))
	}
	return nil
}

// confirm has the person's name typed.
func (p *program) confirm(person string, typed io.Reader) error {
	fmt.Fprint(p.stderr, "This cannot be undone. Type the person's name to go on: ")
	line, err := bufio.NewReader(io.LimitReader(typed, maxTypedName)).ReadString('\n')
	if strings.TrimRight(line, "\r\n") != person || (err != nil && line == "") {
		return fmt.Errorf("nothing was changed: what was typed is not %q", person)
	}
	return nil
}

// countsText is how many of each kind, in an order that stays.
func countsText(counts map[string]int64) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
