package main

import (
	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

func backupCommand() *cobra.Command {
	var path, to string
	cmd := &cobra.Command{
		Use:   "backup -c FILE --to PATH",
		Short: "Write the books to a file, while the server runs",
		Long: `Write the books of the configured store, as they are at one moment, to a new file
with mode 0600, and read it back. Servers that run on the store go on.

The key file is not in it: keep a copy of that apart.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The secrets of connectors and people are not needed for it.
			c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
			if err != nil {
				return err
			}
			return server.Backup(cmd.Context(), c, to, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&to, "to", "", "the file to write; there must be none yet")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}
