package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
)

// digestShown is how much of a digest people see, and the least that they give: 128 bits. Whoever writes the files can try many texts, and
// of a few million harmless ones and as many others two have the same 12 digits.
const digestShown = 32

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show which version of the configuration is in force, and which waits",
		Long: `Show which version of the configuration is in force, and which waits, for administrators and auditors.

A version that may give an administrator more waits until an administrator whom it does not has approved it; where it widens all of
them, two must. Until then the version in force is served.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.configStatus(cmd.Context())
			if err != nil {
				return err
			}
			return p.showConfig(s)
		},
	}
	cmd.AddCommand(p.configDiffCommand(), p.configApproveCommand(), p.configRejectCommand())
	return cmd
}

func (p *program) configStatus(ctx context.Context) (s client.ConfigStatus, err error) {
	c, err := p.connect()
	if err != nil {
		return s, err
	}
	return decode[client.ConfigStatus](c.GetConfig(ctx))
}

func (p *program) showConfig(s client.ConfigStatus) error {
	if p.wantsJSON() {
		return p.printJSON(s)
	}
	now := time.Now()
	p.say("In force:  %s, since it was taken over %s.", cutDigest(s.InForce.Digest), until(s.InForce.Since, now))
	if s.Error != "" {
		p.say("This node could not take over what it should: %s", display(s.Error))
	}
	w := s.Waiting
	if w.Digest == "" {
		p.say("No version waits.")
		return nil
	}
	p.say("Waiting:   %s, proposed %s.", cutDigest(w.Digest), until(w.ProposedAt, now))
	for _, one := range w.Widens {
		p.say("  It may give %s more: %s", display(one.Principal), display(one.Why))
	}
	for _, a := range w.Approvals {
		p.say("  Approved by %s %s.", display(a.Principal), until(a.At, now))
	}
	p.say("  %s", configNeeds(w))
	p.say("See what it changes:  curfew config diff")
	p.say("Agree to it:          curfew config approve %s", cutDigest(w.Digest))
	return nil
}

// configNeeds says who must agree.
func configNeeds(w client.WaitingConfig) string {
	switch {
	case int64(len(w.Approvals)) >= w.Needs:
		return "It has all approvals that it needs, and could not be taken over yet."
	case w.Needs == 1:
		return "An administrator to whom it gives nothing must approve it."
	default:
		return "Two administrators must approve it, since it may give all of them more."
	}
}

func cutDigest(digest string) string { return display(digest[:min(len(digest), digestShown)]) }

func (p *program) configDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff",
		Short: "Show what the version that waits changes in the files",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.configStatus(cmd.Context())
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(s)
			case s.Waiting.Digest == "":
				p.say("No version of the configuration waits.")
				return nil
			}
			for line := range strings.Lines(s.Waiting.Diff) {
				p.say("%s", display(strings.TrimSuffix(line, "\n")))
			}
			return nil
		},
	}
}

func (p *program) configApproveCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "approve DIGEST",
		Short:             "Agree to the version that waits",
		Long:              "Agree to the version that waits, named by its digest as it is shown, or the whole of it: another one than you have looked at is refused.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeWaiting,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.decideConfig(cmd.Context(), args[0], func(c *client.Client, digest string) (client.ConfigStatus, error) {
				return decode[client.ConfigStatus](c.ApproveConfig(cmd.Context(), client.ApproveConfigBody{Digest: digest}))
			}, func(s client.ConfigStatus, digest string) {
				switch {
				case s.InForce.Digest == digest:
					p.say("Approved. Version %s is in force.", cutDigest(digest))
				case s.Error != "":
					p.say("Approved. Version %s could not be taken over yet, and waits: %s", cutDigest(digest), display(s.Error))
				default:
					p.say("Approved. Another administrator must approve version %s, too.", cutDigest(digest))
				}
			})
		},
	}
}

func (p *program) configRejectCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:               "reject DIGEST --reason TEXT",
		Short:             "Withdraw the version that waits",
		Long:              "Withdraw the version that waits. While the files say the same, it is proposed again when they are read again: change them, too.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeWaiting,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.decideConfig(cmd.Context(), args[0], func(c *client.Client, digest string) (client.ConfigStatus, error) {
				return decode[client.ConfigStatus](c.RejectConfig(cmd.Context(), client.RejectConfigBody{Digest: digest, Reason: reason}))
			}, func(_ client.ConfigStatus, digest string) {
				p.say("Version %s waits no more. While the files say the same, it is proposed again when they are read again.", cutDigest(digest))
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

// decideConfig says something of the version that waits, which was typed by its digest.
func (p *program) decideConfig(ctx context.Context, typed string, send func(*client.Client, string) (client.ConfigStatus, error), done func(client.ConfigStatus, string)) error {
	if len(typed) < digestShown {
		return usagef("give at least %d characters of the digest, as `curfew config` shows it", digestShown)
	}
	s, err := p.configStatus(ctx)
	if err != nil {
		return err
	}
	digest := typed // which the server refuses where another one waits
	if strings.HasPrefix(s.Waiting.Digest, typed) {
		digest = s.Waiting.Digest
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	if s, err = send(c, digest); err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(s)
	}
	done(s, digest)
	return nil
}

func (p *program) completeWaiting(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		s, err := decode[client.ConfigStatus](c.GetConfig(ctx))
		if err != nil || s.Waiting.Digest == "" {
			return nil, err
		}
		return []cobra.Completion{cobra.CompletionWithDesc(cutDigest(s.Waiting.Digest), fmt.Sprintf("may give %d administrators more", len(s.Waiting.Widens)))}, nil
	})
}
