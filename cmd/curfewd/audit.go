package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify the audit log in a store"}
	cmd.AddCommand(auditVerifyCommand(), auditKeyCommand())
	return cmd
}

// errNotAsItWas is the end of a verification that found problems. They are printed before.
var errNotAsItWas = errors.New("the audit log is not what it was")

func auditVerifyCommand() *cobra.Command {
	var path, address, output string
	var checkpoints, keys []string
	cmd := &cobra.Command{
		Use:   "verify {-c FILE | --store URL} [--checkpoint FILE]...",
		Short: "Hold the audit log in a store against checkpoints",
		Long: `Read the whole audit log, and hold it against the newest checkpoint in the store and
against those that were kept elsewhere (--checkpoint: a witness's file, or what
curfew audit checkpoint printed). Servers may run meanwhile; nothing is written.

With the configuration (-c) the key file is at hand: signatures are checked, and so are
entries that no checkpoint has yet. With the store alone (--store) name the log's public
key (--key), or signatures are not checked, and the report says so.

Exit code 1 means that the log is not what it was, or could not be read.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("-o is table or json, not %q", output)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := auditor.Options{Keys: keys, Progress: progressOn(cmd.ErrOrStderr())}
			var err error
			if o.Checkpoints, err = audit.ReadKept(checkpoints...); err != nil {
				return err
			}
			at, key, err := storeOf(path, address)
			if err != nil {
				return err
			}
			report, err := server.VerifyAudit(cmd.Context(), at, key, o)
			if err != nil {
				return err
			}
			return showReport(cmd.OutOrStdout(), report, output == "json")
		},
	}
	storeFlags(cmd, &path, &address)
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a file with signed checkpoints that were kept elsewhere")
	cmd.Flags().StringArrayVar(&keys, "key", nil, "a public key of the log, as curfewd audit key prints it")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func auditKeyCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "key -c FILE",
		Short: "Print the public key that the log's checkpoints are signed with",
		Long: `Print the public key of the audit log. Give it to your auditors: with it, and a
checkpoint that they kept, they need nobody's word.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, key, err := storeOf(path, "")
			if err != nil {
				return err
			}
			public, err := server.AuditKey(cmd.Context(), at, key)
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), public)
			}
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func storeFlags(cmd *cobra.Command, path, address *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration: a file, or a folder of *.yaml files")
	cmd.Flags().StringVar(address, "store", "", "the store alone: sqlite:PATH, postgres://… or a reference to one (env:NAME, file:PATH)")
	cmd.MarkFlagsOneRequired("config", "store")
	cmd.MarkFlagsMutuallyExclusive("config", "store")
	_ = cmd.MarkFlagFilename("config", "yaml")
}

// storeOf finds the store, and the key-encryption key where there is a configuration.
func storeOf(path, address string) (at config.Store, key config.Key, err error) {
	if address != "" {
		at, err = config.ParseStore(address)
		return at, key, err
	}
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
	if err != nil {
		return at, key, err
	}
	return c.Store, c.Server.Key, nil
}

// progressOn says now and then how far the reading is: a long log takes minutes.
func progressOn(out io.Writer) func(int64) {
	next := time.Now().Add(2 * time.Second)
	return func(entries int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(2 * time.Second)
			_, _ = fmt.Fprintf(out, "%d entries so far\n", entries)
		}
	}
}

// shownCheckpoints is how many checkpoints the table has lines for.
const shownCheckpoints = 10

// showReport prints what was found. A log with problems is an error, after them.
func showReport(out io.Writer, r auditor.Report, asJSON bool) error {
	var text []byte
	if asJSON {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		text = append(line, '\n')
	} else {
		text = reportTable(r)
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errNotAsItWas
	}
	return nil
}

func reportTable(r auditor.Report) []byte {
	var b bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("log", "%s", r.Origin)
	if r.Entries == 0 {
		line("entries", "none")
	} else {
		line("entries", "%d, from %s to %s", r.Entries, r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	}
	if tail := r.Entries - r.InTree + int64(r.Unnumbered); tail > 0 {
		checked := "their MACs are Curfew's unless a problem says otherwise"
		if !r.TailChecked {
			checked = "whether Curfew wrote them is not checked: that takes the key file (-c)"
		}
		line("tail", "%d are in no checkpoint yet; %s", tail, checked)
	}
	if r.Erased > 0 {
		line("erased", "%d personal values; the entries commit to them still", r.Erased)
	}
	if r.Unexplained > 0 {
		line("TAKEN OUT", "%d of them are in no entry about somebody who was forgotten: an erasure is under way, or somebody deleted them", r.Unexplained)
	}
	line("root", "%s", r.Root)
	for i, c := range r.Checkpoints {
		if i == shownCheckpoints {
			line("", "and %d more checkpoints", len(r.Checkpoints)-i)
			break
		}
		line("checkpoint", "%s: %d entries, signature: %s", c.Name, c.Size, c.Signed)
	}
	if len(r.Checkpoints) == 0 {
		line("checkpoint", "none: nothing shows what the log was before")
	}
	for _, p := range r.Problems {
		line("PROBLEM", "%s", p)
	}
	if r.Dropped > 0 {
		line("", "and %d more problems", r.Dropped)
	}
	if len(r.Problems) == 0 && len(r.Checkpoints) > 0 {
		fmt.Fprintf(&b, "\n%s\n", verdict(r))
	}
	return b.Bytes()
}

// verdict is what a log without problems is shown to be. The store's own checkpoint shows nothing as long as nobody knows
// who has signed it: whoever changes the log can make one.
func verdict(r auditor.Report) string {
	if len(r.Checkpoints) == 1 && r.InTree > 0 && r.Checkpoints[0].Signed != "yes" {
		return "The log fits the checkpoint beside it, which anybody can make who writes to the store. Give --key, or a --checkpoint that was kept elsewhere."
	}
	return "The log is what it was."
}
