package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/evidence"
	"github.com/curfewhq/curfew/internal/evidence/pack"
)

func (p *program) evidenceCommand() *cobra.Command {
	var from, to, folder string
	var controls []string
	cmd := &cobra.Command{
		Use:   "evidence --from DAY [--to DAY] [--control ID]... -o DIR",
		Short: "Write a pack of evidence for auditors: who had what, why, who agreed, how it ended",
		Long: `Write a folder with a report (HTML and PDF), its tables (CSV and JSON), and the audit log
that all of it follows from, with its proof. Whoever has the folder verifies it without a
server, and can make every file again: curfew evidence verify DIR.

The period is from the first moment of --from, and before that of --to (UTC; now without it).
docs/compliance.md has the controls. It has names and reasons in it: keep it accordingly.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := evidenceOrder(from, to, controls)
			if err != nil {
				return err
			}
			return p.evidence(cmd, o, folder)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the beginning of the period: 2026-11-01, or 2026-11-01T09:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "the end of the period")
	cmd.Flags().StringArrayVar(&controls, "control", nil, "evidence for this control, as in soc2-cc6.1; all without it")
	// It takes the place of the table or JSON that others print.
	cmd.Flags().StringVarP(&folder, "output", "o", "", "the folder to write, which is new or empty")
	for _, name := range []string{"from", "output"} {
		_ = cmd.MarkFlagRequired(name)
	}
	_ = cmd.MarkFlagDirname("output")
	var ids []string
	for _, c := range evidence.Controls() {
		ids = append(ids, string(c.ID)+"\t"+c.Framework+" "+c.Reference)
	}
	complete(cmd, "control", ids...)
	cmd.AddCommand(p.evidenceVerifyCommand())
	return cmd
}

// evidenceOrder reads the period and the controls.
func evidenceOrder(from, to string, controls []string) (o pack.Order, err error) {
	if o.From, err = moment("--from", from); err != nil {
		return o, err
	}
	if o.To, err = moment("--to", to); err != nil {
		return o, err
	}
	if o.To.IsZero() {
		o.To = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	}
	for _, id := range controls {
		o.Controls = append(o.Controls, evidence.ID(id))
	}
	if err := o.Check(); err != nil {
		return o, usagef("%s", err)
	}
	return o, nil
}

func (p *program) evidence(cmd *cobra.Command, o pack.Order, folder string) error {
	switch there, err := os.ReadDir(folder); {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	case err != nil:
		return err
	case len(there) > 0:
		return usagef("%s is not empty: name a new folder", folder)
	}
	if err := p.export(cmd, client.ExportAuditParams{}, filepath.Join(folder, pack.LogFile), formatJSONL); err != nil {
		return err
	}
	made, err := pack.Write(folder, nil, o)
	if err != nil {
		return err
	}
	p.say("%s: %d grants, %d requests, %d exceptions.", folder, len(made.Grants), len(made.Requests), len(made.Exceptions))
	p.say("Read it:     %s", filepath.Join(folder, "report.html"))
	p.say("Verify it:   curfew evidence verify %s --key KEY", folder)
	return nil
}

func (p *program) evidenceVerifyCommand() *cobra.Command {
	var keys, checkpoints []string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Verify a pack of evidence, without a server",
		Long: `Hold the log in a pack of evidence against the log's public key (--key; without it the
pack's own is believed) and against checkpoints that you kept (--checkpoint), make the pack
again out of it, and compare every file.

A pack has the log as it was when the pack was made, or as somebody says it was: that nothing
is missing at its end is proven by a checkpoint of after the period alone.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			kept, err := readKept(checkpoints)
			if err != nil {
				return err
			}
			made, wrong, err := pack.Verify(args[0], keys, kept)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", args[0], err)
			case len(wrong) > 0:
				return fmt.Errorf("these files are not what follows from the log: %s", strings.Join(wrong, ", "))
			}
			p.say("%d entries of the log are proven, the last of %s, and every file follows from them.", made.Entries, made.Last.UTC().Format(time.RFC3339))
			if made.Unexplained > 0 {
				p.say("%d names or words are missing of which no entry says that somebody was forgotten: an erasure was under way, or somebody left them out.", made.Unexplained)
			}
			p.say("They are on %s to %s.", made.Order.From.UTC().Format(time.RFC3339), made.Order.To.UTC().Format(time.RFC3339))
			if len(kept) == 0 {
				p.say("What was entered after that, this pack does not say. Give a checkpoint of after the period with --checkpoint.")
			} else {
				newest := slices.MaxFunc(kept, func(a, b audit.Checkpoint) int { return cmp.Compare(a.Tree.N, b.Tree.N) })
				p.say("Nothing is missing that was entered before your checkpoint of %d entries was signed. Where that was before the period ended, what came later may be.", newest.Tree.N)
			}
			if len(keys) == 0 {
				p.say("The key is the pack's own: %s", made.Key)
				p.say("Compare it with the one that you were given, or give that with --key.")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "the log's public key")
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a file of checkpoints that you kept; the log must have all of them")
	return cmd
}
