package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) passkeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passkeys",
		Short: "Show the passkeys that I confirm with",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			return p.showPasskeys(cmd.Context(), c)
		},
	}
	cmd.AddCommand(p.addPasskeyCommand(), p.removePasskeyCommand(), p.recoveryCodesCommand(), p.invitePasskeyCommand())
	return cmd
}

func (p *program) addPasskeyCommand() *cobra.Command {
	var noBrowser bool
	body := client.PasskeyBody{}
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Register a passkey",
		Long: `Register a passkey, in a browser.

The first one must be registered within ten minutes of curfew login, or with an invitation that an administrator has given you
(curfew passkeys invite). Every further one is confirmed with one that you have, or with a recovery code.`,
		Example: `  curfew passkeys add --label "blue security key"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.ceremony(cmd.Context(), noBrowser, func(ctx context.Context, c *client.Client) (client.Ceremony, error) {
				return decode[client.Ceremony](c.AddPasskey(ctx, body))
			}, "The passkey is registered. If you have no recovery codes yet: curfew passkeys recovery-codes")
		},
	}
	cmd.Flags().StringVar(&body.Label, "label", "", "by which you tell it from others")
	cmd.Flags().StringVar(&body.Invitation, "invitation", "", "the invitation of an administrator, for a first passkey")
	_ = cmd.MarkFlagRequired("label")
	noBrowserFlag(cmd, &noBrowser)
	return cmd
}

func (p *program) removePasskeyCommand() *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:               "remove PASSKEY",
		Short:             "Remove a passkey of mine",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completePasskeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.ceremony(cmd.Context(), noBrowser, func(ctx context.Context, c *client.Client) (client.Ceremony, error) {
				list, err := decode[client.PasskeyList](c.ListPasskeys(ctx))
				if err != nil {
					return client.Ceremony{}, err
				}
				k, err := one(list.Items, "passkey of yours", args[0], func(k client.Passkey) bool { return access.MatchesShort(access.PasskeyID(k.ID), args[0]) })
				if err != nil {
					return client.Ceremony{}, err
				}
				return decode[client.Ceremony](c.RemovePasskey(ctx, k.ID))
			}, "The passkey is removed.")
		},
	}
	noBrowserFlag(cmd, &noBrowser)
	return cmd
}

func (p *program) recoveryCodesCommand() *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "recovery-codes",
		Short: "Make recovery codes, for when I have lost my passkeys",
		Long: `Make ten recovery codes, which the browser shows this once. The codes that you had are void then.

Each is good once, to register or remove a passkey. None confirms a request or a review.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.ceremony(cmd.Context(), noBrowser, func(ctx context.Context, c *client.Client) (client.Ceremony, error) {
				return decode[client.Ceremony](c.MakeRecoveryCodes(ctx))
			}, "You have new recovery codes; the browser shows them this once.")
		},
	}
	noBrowserFlag(cmd, &noBrowser)
	return cmd
}

func (p *program) invitePasskeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "invite PRINCIPAL",
		Short: "Let somebody register a first passkey (administrators)",
		Long: `Let somebody register a first passkey who has not signed in a short while ago, or cannot sign in but with a token.

The code is good once, within a day, and only for who is signed in as that principal. Give it to them in person.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			made, err := decode[client.Invitation](c.InvitePasskey(cmd.Context(), client.InvitationBody{Principal: args[0]}))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(made)
			}
			fmt.Fprintf(p.stderr, "An invitation that ends %s. They run: curfew passkeys add --label NAME --invitation CODE\n", until(made.Until, time.Now()))
			fmt.Fprintln(p.stdout, display(made.Code))
			return nil
		},
	}
}

func (p *program) showPasskeys(ctx context.Context, c *client.Client) error {
	list, err := decode[client.PasskeyList](c.ListPasskeys(ctx))
	switch {
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(list)
	case len(list.Items) == 0:
		p.say("You have no passkey. Register one: curfew passkeys add --label NAME")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, k := range list.Items {
		used, where := "never", "one device"
		if !k.UsedAt.IsZero() {
			used = until(k.UsedAt, now)
		}
		if k.Synced {
			where = "synced"
		}
		rows[i] = []string{access.Short(access.PasskeyID(k.ID)), k.Label, where, until(k.CreatedAt, now), used}
	}
	if err := p.table([]string{"PASSKEY", "LABEL", "WHERE", "REGISTERED", "USED"}, rows); err != nil {
		return err
	}
	p.say("%d recovery codes are left.", list.RecoveryCodes)
	return nil
}

func (p *program) completePasskeys(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		list, err := decode[client.PasskeyList](c.ListPasskeys(ctx))
		for _, k := range list.Items {
			out = append(out, cobra.CompletionWithDesc(display(access.Short(access.PasskeyID(k.ID))), display(k.Label)))
		}
		return out, err
	})
}
