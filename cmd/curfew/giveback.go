package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// goneWait is how long a command waits to be able to say that what it ordered has happened.
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
	var body client.RevocationBody
	cmd := &cobra.Command{
		Use:   "revoke GRANT|--principal P|--connector C|--everything --reason TEXT",
		Short: "Take access back",
		Long: `Take one grant back; or, as an administrator, everything that a person has, everything behind a connector, or all
there is. The last three freeze it too: until the freeze is lifted nothing of it can be asked for or begins.`,
		Example: `  curfew revoke 4k2m9x --reason "laptop stolen"
  curfew revoke --principal alice --reason "laptop stolen"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeGrants,
		RunE: func(cmd *cobra.Command, args []string) error {
			wide := body.Principal != "" || body.Connector != "" || body.Everything
			switch {
			case wide == (len(args) == 1):
				return usagef("name one grant, or one of --principal, --connector and --everything")
			case wide:
				return p.freeze(cmd.Context(), body)
			}
			return p.takeBack(cmd.Context(), args[0], func(c *client.Client, id string) (client.Grant, error) {
				return decode[client.Grant](c.RevokeGrant(cmd.Context(), id, client.RevokeBody{Reason: body.Reason}))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&body.Principal, "principal", "", "everything of the person behind this principal")
	f.StringVar(&body.Connector, "connector", "", "everything behind this connector")
	f.BoolVar(&body.Everything, "everything", false, "everything there is")
	f.StringVar(&body.Reason, "reason", "", "why")
	cmd.MarkFlagsMutuallyExclusive("principal", "connector", "everything")
	// The flag is defined two lines above.
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
	return poll(ctx, g, func(g client.Grant) bool { return g.State == client.GrantStateEnded }, func() (client.Grant, error) {
		return decode[client.Grant](c.GetGrant(ctx, g.ID))
	})
}

// poll looks again until what it sees is done, or a moment has passed, and returns it as it stands then.
func poll[T any](ctx context.Context, v T, done func(T) bool, look func() (T, error)) (T, error) {
	giveUp := time.NewTimer(goneWait)
	defer giveUp.Stop()
	again := time.NewTicker(gonePause)
	defer again.Stop()
	for !done(v) {
		select {
		case <-ctx.Done():
			return v, unreachable(ctx.Err())
		case <-giveUp.C:
			return v, nil
		case <-again.C:
		}
		var err error
		if v, err = look(); err != nil {
			return v, err
		}
	}
	return v, nil
}
