package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) attestCommand() *cobra.Command {
	var body client.RevokeBody
	cmd := &cobra.Command{
		Use:   "attest GRANT --reason TEXT",
		Short: "Say, as one of two administrators, that the target of a grant no longer exists",
		Long: `Say that the target of a grant no longer exists, so that nothing can be read back there. The second administrator
who says so ends the grant, as attested and never as verified. It is for grants that have failed to be taken back for some
time; what Curfew can still reach it takes back by itself.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.attest(cmd.Context(), args[0], body)
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "how you know")
	// The flag is defined one line above.
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (p *program) attest(ctx context.Context, typed string, body client.RevokeBody) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	g, err := findGrant(ctx, c, typed)
	if err != nil {
		return err
	}
	a, err := decode[client.Attested](c.AttestGrant(ctx, g.ID, body))
	if err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(a)
	}
	id := access.Short(access.GrantID(a.Grant.ID))
	if a.Given < a.Needed {
		p.say("Noted. %d of %d administrators attest that the target of %s (%s) no longer exists; another one runs:", a.Given, a.Needed, id, a.Grant.Entitlement)
		p.say("curfew attest %s --reason TEXT", id)
		return nil
	}
	p.say("Grant %s (%s) is %s: %s.", id, a.Grant.Entitlement, string(a.Grant.State), grantNote(a.Grant, time.Now()))
	return nil
}
