package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) tokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Make tokens for programs of mine",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.createTokenCommand())
	return cmd
}

func (p *program) createTokenCommand() *cobra.Command {
	var body client.TokenBody
	var life durationFlag
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a token that may do a part of what I may, or what a service or an agent of mine may",
		Long: `Make a token for a program. It is shown this once, and Curfew keeps no copy.

Scopes are read, request (ask for access and give it back), credential (open credentials), review and admin. To see and end
tokens, use curfew sessions.`,
		Example: `  curfew tokens create --principal nightly-export --scope read --scope request --for 720h --label "nightly export"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			body.For = time.Duration(life).String()
			made, err := decode[client.Token](c.MakeToken(cmd.Context(), body))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(made)
			}
			fmt.Fprintf(p.stderr, "A token for %s that ends %s. It is not shown again; end it with: curfew sessions end %s\n",
				display(made.Session.Principal), until(made.Session.EndsAt, time.Now()), access.Short(access.SessionID(made.Session.ID)))
			fmt.Fprintln(p.stdout, display(made.Token))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&body.Principal, "principal", "", "whose it is to be: a service or an agent of mine, or I myself (the default)")
	flags.StringSliceVar(&body.Scopes, "scope", nil, "what it may do: read, request, credential, review, admin")
	flags.Var(&life, "for", "how long it lives, a minute to 90 days")
	flags.StringVar(&body.Label, "label", "", "by which you tell it from others")
	complete(cmd, "scope", "read", "request", "credential", "review", "admin")
	complete(cmd, "for", "24h", "168h", "720h")
	for _, name := range []string{"scope", "for", "label"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
