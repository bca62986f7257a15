package main

import (
	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

func restoreCommand() *cobra.Command {
	var path, from string
	var asIs bool
	cmd := &cobra.Command{
		Use:   "restore -c FILE {--from PATH | --as-is}",
		Short: "Make a store of a backup, while no server runs",
		Long: `Fill the configured store, which must be empty, from a backup (--from). The key file
must be the one that was in use when the backup was taken. Or accept a store that was
set back by other means, with the tools of its database (--as-is).

The books are then of the past. When the server starts, every grant that was live in them
is taken back, and requests that waited lapse. The bearer tokens of the configuration are
void from then on: give everybody a new one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
			if err != nil {
				return err
			}
			if asIs {
				return server.AcceptStore(cmd.Context(), c, cmd.ErrOrStderr())
			}
			return server.Restore(cmd.Context(), c, from, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&from, "from", "", "the file that curfewd backup wrote")
	cmd.Flags().BoolVar(&asIs, "as-is", false, "accept the store as it is, knowing that it was set back")
	cmd.MarkFlagsOneRequired("from", "as-is")
	cmd.MarkFlagsMutuallyExclusive("from", "as-is")
	return cmd
}
