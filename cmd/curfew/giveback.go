package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// goneWait is how long return and revoke wait to be able to say that the access is gone.
	goneWait = 5 * time.Second
	// gonePause is the pause between two looks.
	gonePause = 200 * time.Millisecond
)

func (p *program) returnCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "return GRANT",
		Short:             "Give access of mine back early",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeGrants,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.takeBack(cmd.Context(), args[0], func(c *client.Client, id string) (client.Grant, error) {
				return decode[client.Grant](c.ReturnGrant(cmd.Context(), id))
			})
		},
	}
}

func (p *program) revokeCommand() *cobra.Command {
	var body client.RevokeBody
	cmd := &cobra.Command{
		Use:               "revoke GRANT --reason TEXT",
		Short:             "Take access back",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeGrants,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.takeBack(cmd.Context(), args[0], func(c *client.Client, id string) (client.Grant, error) {
				return decode[client.Grant](c.RevokeGrant(cmd.Context(), id, body))
			})
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why")
	// The flag is defined one line above.
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (p *program) takeBack(ctx context.Context, typed string, order func(*client.Client, string) (client.Grant, error)) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	g, err := findGrant(ctx, c, typed)
	if err != nil {
		return err
	}
	if g, err = order(c, g.ID); err != nil {
		return err
	}
	if g, err = gone(ctx, c, g); err != nil {
		return err
	}
	if err := p.forgetEnded([]client.Grant{g}); err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(g)
	}
	p.say("Grant %s (%s) is %s: %s.", access.Short(access.GrantID(g.ID)), g.Entitlement, string(g.State), grantNote(g, time.Now()))
	return nil
}

// gone waits a moment for the grant to end, and returns it as it stands then.
func gone(ctx context.Context, c *client.Client, g client.Grant) (client.Grant, error) {
	giveUp := time.NewTimer(goneWait)
	defer giveUp.Stop()
	again := time.NewTicker(gonePause)
	defer again.Stop()
	for g.State != client.GrantStateEnded {
		select {
		case <-ctx.Done():
			return g, unreachable(ctx.Err())
		case <-giveUp.C:
			return g, nil
		case <-again.C:
		}
		var err error
		if g, err = decode[client.Grant](c.GetGrant(ctx, g.ID)); err != nil {
			return g, err
		}
	}
	return g, nil
}
