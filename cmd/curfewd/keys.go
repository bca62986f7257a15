package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/server"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Look at the keys that seal the store, rotate them, or move them to another key-encryption key",
		Long: `The store holds data keys, in generations. The newest seals; all of them are wrapped by the
key-encryption key that the configuration names (server.key).

  status   which generations there are, and what needs each
  rotate   a new generation; everything is sealed anew, while servers run
  rewrap   the same generations under another key-encryption key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keysStatusCommand(), keysRotateCommand(), keysRewrapCommand())
	return cmd
}

// withKeys opens the keys of a configuration for as long as fn runs. The secrets of connectors and people are not needed.
func withKeys(ctx context.Context, path string, fn func(*server.Keys) error) (err error) {
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
	if err != nil {
		return err
	}
	keys, err := server.OpenKeys(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	return fn(keys)
}

func keysStatusCommand() *cobra.Command {
	var path string
	output := "table"
	cmd := &cobra.Command{
		Use:   "status -c FILE [-o table|json]",
		Short: "Show the generations of the keys, and what needs each",
		Args:  cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("-o is table or json, not %q", output)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd.Context(), path, func(keys *server.Keys) error {
				list, err := keys.Status(cmd.Context())
				if err != nil {
					return err
				}
				if output == "json" {
					return printKeysJSON(cmd.OutOrStdout(), list)
				}
				return printKeys(cmd.OutOrStdout(), list)
			})
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&output, "output", "o", output, "table, or json")
	return cmd
}

func keysRotateCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "rotate -c FILE",
		Short: "Make a new generation of the keys, and seal everything anew",
		Long: `Make a new generation of the data keys, and seal under it all that older ones have sealed.
Servers may run, any number of them: they learn of the new keys by themselves within seconds,
and do the work, a little at a time. Where none runs this command does it.

It may be interrupted at any moment, even killed: the servers go on, and so does this command
when it is run again. When nothing is left, the old sealing key is destroyed. The old key that
verifies marks at targets is kept until a day after the last grant that bears one has ended.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd.Context(), path, func(keys *server.Keys) error { return keys.Rotate(cmd.Context(), cmd.ErrOrStderr()) })
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func keysRewrapCommand() *cobra.Command {
	var path, to string
	cmd := &cobra.Command{
		Use:   "rewrap -c FILE --to FILE",
		Short: "Wrap the same keys with another key-encryption key",
		Long: `Wrap the data keys, as they are, with the key-encryption key that another configuration names
(its server.key): another key file, a passphrase, or a key of AWS KMS. A key file that is not
there is made. Nothing that is sealed changes, so this takes moments, and servers may run.

The configuration behind --to is usually a copy of the one behind -c with another server.key.
Afterwards it takes the place of that one on every node. To replace the data keys, rotate.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, err := config.Load(to, config.Options{Types: all.ConnectorTypes()})
			if err != nil {
				return err
			}
			return withKeys(cmd.Context(), path, func(keys *server.Keys) error {
				return keys.Rewrap(cmd.Context(), next.Server.Key, cmd.ErrOrStderr())
			})
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&to, "to", "", "the configuration that names the new key-encryption key")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagFilename("to", "yaml")
	return cmd
}

// keyState says what a generation is for.
func keyState(s engine.KeyStatus) string {
	switch {
	case s.Newest:
		return "sealing"
	case s.Seals():
		return "resealing"
	default:
		return "verifying"
	}
}

// keyLine is a generation as JSON.
type keyLine struct {
	Generation     int        `json:"generation"`
	State          string     `json:"state"`
	Wrapper        string     `json:"wrapper"`
	MadeAt         time.Time  `json:"made_at"`
	Plans          int        `json:"plans"`
	Configurations int        `json:"configurations"`
	Grants         int        `json:"grants"`
	Rights         int        `json:"rights"`
	Restores       int        `json:"restores"`
	Log            int        `json:"log"`
	GoneAt         *time.Time `json:"gone_at,omitempty"`
}

func printKeysJSON(out io.Writer, list []engine.KeyStatus) error {
	lines := struct {
		Items []keyLine `json:"items"`
		Next  string    `json:"next"`
	}{Items: []keyLine{}}
	for _, s := range list {
		line := keyLine{
			Generation: s.Generation, State: keyState(s), Wrapper: s.Wrapper, MadeAt: s.MadeAt,
			Plans: s.Uses.Plans, Configurations: s.Uses.Configurations, Grants: s.Uses.Grants, Rights: s.Uses.Rights, Restores: s.Uses.Restores, Log: s.Uses.Log,
		}
		if !s.GoneAt.IsZero() {
			line.GoneAt = &s.GoneAt
		}
		lines.Items = append(lines.Items, line)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(lines)
}

func printKeys(out io.Writer, list []engine.KeyStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GENERATION\tSTATE\tMADE\tWRAPPED BY\tPLANS\tCONFIGURATIONS\tGRANTS\tRIGHTS\tRESTORES\tLOG\tGONE")
	for _, s := range list {
		gone := ""
		if !s.GoneAt.IsZero() {
			gone = s.GoneAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Generation, keyState(s), s.MadeAt.Format(time.RFC3339), s.Wrapper,
			s.Uses.Plans, s.Uses.Configurations, s.Uses.Grants, s.Uses.Rights, s.Uses.Restores, s.Uses.Log, gone)
	}
	return w.Flush()
}
