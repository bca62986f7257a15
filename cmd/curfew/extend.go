package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) extendCommand() *cobra.Command {
	var by durationFlag
	cmd := &cobra.Command{
		Use:   "extend GRANT --for DURATION",
		Short: "Let access of mine live longer",
		Long: `Let access of mine live longer: its credential and its open sessions stay. The policies decide on the whole duration
since it began, so that no number of extensions goes past their maximum; what needs a review needs a new request.`,
		Example:           `  curfew extend orders-db/orders:read --for 30m`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeGrants,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.extend(cmd.Context(), args[0], client.ExtendBody{Duration: time.Duration(by).String()})
		},
	}
	cmd.Flags().Var(&by, "for", "by how much longer, as in 30m")
	// The flag is defined one line above.
	_ = cmd.MarkFlagRequired("for")
	return cmd
}

// extend orders the extension and waits a moment for the target to have it.
func (p *program) extend(ctx context.Context, typed string, body client.ExtendBody) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	g, err := findGrant(ctx, c, typed)
	if err != nil {
		return err
	}
	if g, err = decode[client.Grant](c.ExtendGrant(ctx, g.ID, body)); err != nil {
		return err
	}
	if err := p.keepKey(g); err != nil {
		return err
	}
	g, err = poll(ctx, g, func(g client.Grant) bool { return g.ExtendTo.IsZero() }, func() (client.Grant, error) {
		return decode[client.Grant](c.GetGrant(ctx, g.ID))
	})
	if err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(g)
	}
	note := grantNote(g, time.Now())
	p.say("Grant %s (%s) %s.", access.Short(access.GrantID(g.ID)), g.Entitlement, note)
	return nil
}

// keepKey keeps the key that a grant's credential is sealed to for as long as the extended grant lives.
func (p *program) keepKey(g client.Grant) error {
	keys, err := p.openKeyring()
	if err != nil {
		return err
	}
	defer keys.close()
	return keys.keep(g.Request, g.ExtendTo.Add(keyMargin))
}
