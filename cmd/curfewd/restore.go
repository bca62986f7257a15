package main

import (
	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

func restoreCommand() *cobra.Command {
	var path, from string
	cmd := &cobra.Command{
		Use:   "restore -c FILE --from PATH",
		Short: "Make a store of a backup, while no server runs",
		Long: `Fill the configured store, which must be empty, from a backup. The key file must be
the one that was in use when the backup was taken.

The books are then of the past. When the server starts, every grant that was live in them
is taken back, and requests that waited lapse. The bearer tokens of the configuration are
void from then on: give everybody a new one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
			if err != nil {
				return err
			}
			return server.Restore(cmd.Context(), c, from, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&from, "from", "", "the file that curfewd backup wrote")
	_ = cmd.MarkFlagRequired("from")
	return cmd
}
