package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// freeze takes back and freezes what the body names, and waits a moment for the last grant to be reached.
func (p *program) freeze(ctx context.Context, body client.RevocationBody) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	f, err := decode[client.Freeze](c.Freeze(ctx, body))
	if err != nil {
		return err
	}
	if f, err = swept(ctx, c, f); err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(f)
	}
	p.say("Frozen: %s, %s.", frozenText(f), sweepText(f))
	p.say("See what is still there:  curfew grants --all")
	p.say("Lift the freeze:          curfew unfreeze %s --reason TEXT", access.Short(access.FreezeID(f.ID)))
	return nil
}

// swept waits a moment until the freeze is carried out, and returns it as it stands then.
func swept(ctx context.Context, c *client.Client, f client.Freeze) (client.Freeze, error) {
	return poll(ctx, f, func(f client.Freeze) bool { return !f.SweptAt.IsZero() }, func() (client.Freeze, error) {
		list, err := listFreezes(ctx, c)
		if i := slices.IndexFunc(list.Items, func(other client.Freeze) bool { return other.ID == f.ID }); i >= 0 {
			f = list.Items[i]
		}
		return f, err
	})
}

func listFreezes(ctx context.Context, c *client.Client) (list client.FreezeList, err error) {
	list.Items, list.Next, err = collect(func(after string) ([]client.Freeze, string, error) {
		list, err := decode[client.FreezeList](c.ListFreezes(ctx, &client.ListFreezesParams{After: after, Limit: pageSize}))
		return list.Items, list.Next, err
	})
	return list, err
}

func (p *program) freezesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "freezes",
		Short: "Show what is frozen",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			list, err := listFreezes(cmd.Context(), c)
			if err != nil {
				return err
			}
			return p.showFreezes(list)
		},
	}
}

func (p *program) showFreezes(list client.FreezeList) error {
	if p.wantsJSON() {
		return p.printJSON(list)
	}
	if len(list.Items) == 0 {
		p.say("Nothing is frozen.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, f := range list.Items {
		note := sweepText(f) + "; frozen " + until(f.Since, now)
		rows[i] = []string{access.Short(access.FreezeID(f.ID)), frozenText(f), f.By, cut(f.Reason, cellWidth), note}
	}
	return p.table([]string{"ID", "FROZEN", "BY", "REASON", "NOTE"}, rows)
}

func (p *program) unfreezeCommand() *cobra.Command {
	var body client.RevokeBody
	cmd := &cobra.Command{
		Use:   "unfreeze ID --reason TEXT",
		Short: "Lift a freeze; what it took back stays taken back",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.unfreeze(cmd.Context(), args[0], body)
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why")
	// The flag is defined one line above.
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (p *program) unfreeze(ctx context.Context, typed string, body client.RevokeBody) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	id := typed
	if !strings.HasPrefix(typed, access.FreezePrefix) {
		list, err := listFreezes(ctx, c)
		if err != nil {
			return err
		}
		f, err := one(list.Items, "freeze", typed, func(f client.Freeze) bool {
			return access.MatchesShort(access.FreezeID(f.ID), typed)
		})
		if err != nil {
			return err
		}
		id = f.ID
	}
	answer, err := c.LiftFreeze(ctx, id, body)
	if err := discard(answer, err); err != nil {
		return err
	}
	if !p.wantsJSON() {
		p.say("Freeze %s is lifted. What it took back stays taken back.", access.Short(access.FreezeID(id)))
	}
	return nil
}

// frozenText says what a freeze covers.
func frozenText(f client.Freeze) string {
	if f.Scope == client.FreezeScopeEverything {
		return string(f.Scope)
	}
	return fmt.Sprintf("%s %s", f.Scope, f.Value)
}

// sweepText says how far a freeze was carried out.
func sweepText(f client.Freeze) string {
	noun := "grants"
	if f.Revoked == 1 {
		noun = "grant"
	}
	if f.SweptAt.IsZero() {
		return fmt.Sprintf("%d %s taken back so far", f.Revoked, noun)
	}
	return fmt.Sprintf("%d %s taken back", f.Revoked, noun)
}
