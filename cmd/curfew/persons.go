package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) personsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "persons",
		Short: "Say which accounts are one human's",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.linkCommand(), p.unlinkCommand())
	return cmd
}

func (p *program) linkCommand() *cobra.Command {
	var body client.LinkBody
	var device bool
	cmd := &cobra.Command{
		Use:   "link [PRINCIPAL PRINCIPAL]",
		Short: "Make two accounts one person's",
		Long: `Make two accounts one person's: nobody reviews their own request, under any of their accounts.

Without arguments you sign in once more, with your other account: that proves that both are yours. An administrator who is
neither of the two names them, with a reason; whom the configuration lists can only prove it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return usagef("give no principal, to prove that an account is yours, or two")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && body.Reason != "":
				return usagef("--reason is why an administrator names two principals; who proves that both are theirs gives none")
			case len(args) != 0 && device:
				return usagef("--device says how you sign in with your other account; nobody signs in where two principals are named")
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if body.Principals = args; len(args) == 0 {
				if body.Token, err = p.proof(cmd.Context(), device); err != nil {
					return err
				}
			}
			l, err := p.link(cmd.Context(), c, body)
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(l)
			}
			p.say("%s is the person %s now. Sessions of that account have ended.", strings.Join(l.Moved, ", "), l.Person)
			return nil
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why, from an administrator")
	cmd.Flags().BoolVar(&device, "device", false, "sign in with a browser on another machine")
	return cmd
}

// link links two accounts. The session by which somebody proves the other one ends when it has, at the server, and here when it was not to be.
func (p *program) link(ctx context.Context, c *client.Client, body client.LinkBody) (client.Link, error) {
	l, err := decode[client.Link](c.LinkPersons(ctx, body))
	if err == nil || body.Token == "" {
		return l, err
	}
	if server, _, where := p.server(); where == nil {
		p.abandon(ctx, server, body.Token)
	}
	return l, err
}

// proof has somebody sign in with their other account, and returns that account's token.
func (p *program) proof(ctx context.Context, device bool) (string, error) {
	server, _, err := p.server()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	if device || browserCommand(ctx, p.getenv, "") == nil {
		return p.signInDevice(ctx, server)
	}
	return p.signIn(ctx, server, false)
}

func (p *program) unlinkCommand() *cobra.Command {
	var body client.UnlinkBody
	cmd := &cobra.Command{
		Use:   "unlink PRINCIPAL --reason TEXT",
		Short: "Make an account a person of its own again",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			body.Principal = args[0]
			u, err := decode[client.Unlinked](c.UnlinkPerson(cmd.Context(), body))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(u)
			}
			p.say("%s is the person %s now.", args[0], u.Person)
			return nil
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}
