package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/audit"
)

func (p *program) auditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest signed checkpoint of the audit log, to be kept elsewhere",
		Long: `Print the newest signed checkpoint of the audit log. Keep it where those who run Curfew
cannot change it: whoever has it can tell later whether the log still begins with what it
had by now (curfew audit verify, curfewd audit verify --checkpoint).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			got, err := decode[client.Checkpoint](c.GetCheckpoint(cmd.Context()))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(got)
			case got.Size == 0:
				return access.Errorf(access.KindNotFound, "The audit log is empty: there is no checkpoint yet.")
			}
			_, err = io.WriteString(p.stdout, got.Checkpoint)
			return err
		},
	}
}

func (p *program) auditExportCommand() *cobra.Command {
	var q client.ExportAuditParams
	var since, until, to, format string
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write the audit log to a file that proves itself",
		Long: `Write the audit log, or a part of it, with the proof that it is what Curfew logged. Anybody
verifies the file without a server: curfew audit verify FILE.

A whole range has one proof; with --grant, --request or --kind each entry has its own.
Without FILE, or with -, the export goes to the standard output.

With --format csv or ocsf (events of the Open Cybersecurity Schema Framework, one a line) it
is for other programs: it was verified when it was written, and proves nothing any more.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeFiles,
		PreRunE: func(*cobra.Command, []string) error {
			if !slices.Contains(exportFormats(), format) {
				return usagef("--format is one of %s, not %q", strings.Join(exportFormats(), ", "), format)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				to = args[0]
			}
			var err error
			if q.Since, err = moment("--since", since); err != nil {
				return err
			}
			if q.Until, err = moment("--until", until); err != nil {
				return err
			}
			return p.export(cmd, q, to, format)
		},
	}
	cmd.Flags().Int64Var(&q.From, "from", 0, "from this position on")
	cmd.Flags().Int64Var(&q.To, "to", 0, "to this position")
	cmd.Flags().StringVar(&since, "since", "", "what was entered at this time or later: 2026-11-01, or 2026-11-01T09:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "what was entered before this time")
	cmd.Flags().StringVar(&q.Request, "request", "", "what is about this request alone")
	cmd.Flags().StringVar(&q.Grant, "grant", "", "what is about this grant alone")
	cmd.Flags().StringVar(&q.Kind, "kind", "", "what is of this kind alone, as in grant.ended; grant. is all that begin so")
	cmd.Flags().StringVar(&format, "format", formatJSONL, strings.Join(exportFormats(), ", "))
	return cmd
}

// moment reads a day or a time. The empty text is none.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%s is no time: want 2026-11-01, which is its first moment in UTC, or 2026-11-01T09:00:00Z", flag)
}

// export reads the export, verifies it on the way, and leaves no file that is not whole.
func (p *program) export(cmd *cobra.Command, q client.ExportAuditParams, to, format string) error {
	c, err := p.connectFor(0)
	if err != nil {
		return err
	}
	if err := wholeIDs(cmd.Context(), c, &q.Grant, &q.Request); err != nil {
		return err
	}
	answer, err := c.ExportAudit(cmd.Context(), &q)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return discard(answer, nil)
	}
	out, finish, err := p.outputFile(to)
	if err != nil {
		return err
	}
	report, err := writeExport(answer.Body, out, format)
	if err == nil && len(report.Problems) > 0 {
		first := report.Problems[0]
		err = fmt.Errorf("the export does not prove itself, from entry %d on: %s", first.From, first.What)
	}
	if err := finish(err); err != nil {
		return err
	}
	if to != "" && to != "-" {
		fmt.Fprintf(p.stderr, "%s: %d entries, positions %d to %d, proven by the checkpoint of %d.\n", display(to), report.Entries, report.From, report.To, sizeOf(report))
	}
	return nil
}

// sizeOf is the size of the checkpoint of an export that was verified.
func sizeOf(r audit.ExportReport) int64 {
	c, err := audit.ReadCheckpoint([]byte(r.Checkpoint))
	if err != nil {
		return 0
	}
	return c.Tree.N
}

// outputFile opens what an export is written to: beside its name, under which it appears when it is whole.
func (p *program) outputFile(to string) (out io.Writer, finish func(error) error, err error) {
	if to == "" || to == "-" {
		return p.stdout, func(err error) error { return err }, nil
	}
	file, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*") // mode 0600: it has names and reasons in it
	if err != nil {
		return nil, nil, err
	}
	return file, func(err error) error {
		err = errors.Join(err, file.Sync(), file.Close())
		if err == nil {
			err = os.Rename(file.Name(), to)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
		return err
	}, nil
}

func (p *program) auditVerifyCommand() *cobra.Command {
	var keys, checkpoints []string
	cmd := &cobra.Command{
		Use:   "verify EXPORT",
		Short: "Verify an export of the audit log, without a server",
		Long: `Hold an export against its own checkpoint, and against checkpoints that you kept
(--checkpoint). Give the log's public key (--key), which curfewd audit key and
curfew audit checkpoint -o json print; without it the key in the export is believed, and a
forged export may have brought its own.

Exit code 1 means that the export is not what was logged.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			kept, err := readKept(checkpoints)
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = file.Close() }()
				in = file
			}
			report, err := audit.VerifyExport(in, keys, kept, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return p.showVerified(report)
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "the log's public key")
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a file with signed checkpoints that you kept")
	return cmd
}

// readKept reads the checkpoints in files.
func readKept(paths []string) ([]audit.Checkpoint, error) {
	kept, err := audit.ReadKept(paths...)
	if err != nil {
		return nil, err
	}
	checkpoints := make([]audit.Checkpoint, len(kept))
	for i, k := range kept {
		if checkpoints[i], err = audit.ReadCheckpoint(k.Text); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return checkpoints, nil
}

func (p *program) showVerified(r audit.ExportReport) error {
	if p.wantsJSON() {
		if err := p.printJSON(r); err != nil {
			return err
		}
	} else {
		p.sayVerified(r)
	}
	if len(r.Problems) > 0 {
		return errors.New("the export is not what was logged")
	}
	return nil
}

func (p *program) sayVerified(r audit.ExportReport) {
	p.say("log         %s", r.Origin)
	p.say("entries     %d, of positions %d to %d", r.Entries, r.From, r.To)
	p.say("checkpoint  of %d entries", sizeOf(r))
	if r.KeyFromExport {
		p.say("key         %s", r.Key)
		p.say("            This key is the export's own. Compare it with the one that you were given, or give that with --key.")
	}
	if r.Erased > 0 {
		p.say("erased      %d personal values; the entries commit to them still", r.Erased)
	}
	if r.Unexplained > 0 {
		p.say("TAKEN OUT   %d of them are in no entry about somebody who was forgotten: an erasure was under way, or somebody left them out", r.Unexplained)
	}
	for _, size := range r.Unchecked {
		p.say("NOT HELD    against your checkpoint of %d entries: %s", size, whyUnchecked(r, size))
	}
	for _, problem := range r.Problems {
		p.say("PROBLEM     %s", problem)
	}
	if r.Dropped > 0 {
		p.say("            and %d more problems", r.Dropped)
	}
	if len(r.Problems) > 0 {
		return
	}
	if r.Selected {
		p.say("The entries in the export are what was logged. It is a selection: what else was logged, it does not say.")
	} else {
		p.say("The export is what was logged at positions %d to %d. What came before or after, it does not say.", r.From, r.To)
	}
}

// whyUnchecked says why an export was not held against a checkpoint of that size.
func whyUnchecked(r audit.ExportReport, size int64) string {
	switch {
	case size > sizeOf(r):
		return fmt.Sprintf("the log had more entries when you kept it than this export knows of, which ends at %d", r.To)
	case r.Selected:
		return "a selection has proofs against its own checkpoint alone"
	}
	return fmt.Sprintf("the export is of positions %d to %d", r.From, r.To)
}
