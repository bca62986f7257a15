package main

import (
	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Put a configuration in force by hand, where no administrator can",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configApproveCommand())
	return cmd
}

func configApproveCommand() *cobra.Command {
	var path, reason string
	cmd := &cobra.Command{
		Use:   "approve -c FILE --reason TEXT",
		Short: "Put a configuration in force on the word of who holds this machine and its key",
		Long: `A configuration that may give an administrator more waits until other administrators agree
(curfew config approve). This puts it in force without them, on the word of who holds the
machine and its key, and enters that into the audit log with the reason. It is for when
nobody else can: the administrators are gone, or the version in force cannot be served.

Servers may run: they take it over within seconds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
			if err != nil {
				return err
			}
			return server.ApproveByHand(cmd.Context(), c, reason, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&reason, "reason", "", "why; the audit log has it")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}
