package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
)

// program is one run of the command line.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	// url and output are what the flags of every command say.
	url, profile string
	output       string
	// began says that a command has taken over, after which an error is no longer one of usage.
	began bool
}

// run is the whole program. It returns the exit code: 0 done, 1 failed, 2 usage, 3 denied, 4 not found, 5 timed out
// waiting.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	p := &program{stdout: stdout, stderr: stderr, getenv: getenv}
	root := p.command()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if child, ok := errors.AsType[childExit](err); ok {
		return child.code()
	}
	fmt.Fprintf(stderr, "curfew: %s\n", lines(err.Error()))
	if !p.began {
		fmt.Fprintf(stderr, "Run '%s --help' for how to use it.\n", ran.CommandPath())
		return access.KindInvalid.ExitCode()
	}
	return access.KindOf(err).ExitCode()
}

// command is the tree of commands.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "curfew",
		Short: "Access for a stated time",
		Long: `Curfew gives access for a stated time and takes it back when the time is up.

Sign in with curfew login, once for each server; --profile says which one is meant. Programs say so in the environment:
CURFEW_URL is the address of the server, and CURFEW_TOKEN says who you are.
Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 not found, 5 timed out waiting; that of exec is the command's.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if p.output != "table" && p.output != "json" {
				return usagef("-o is table or json")
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&p.url, "url", "", "address of the server (CURFEW_URL)")
	root.PersistentFlags().StringVarP(&p.output, "output", "o", "table", "table or json")
	root.PersistentFlags().StringVar(&p.profile, "profile", "", "which of the servers that I have signed in at (CURFEW_PROFILE)")
	complete(root, "output", "table", "json")
	_ = root.RegisterFlagCompletionFunc("profile", p.completeProfiles)
	root.AddCommand(
		p.listCommand(), p.explainCommand(), p.requestCommand(), p.requestsCommand(), p.confirmCommand(), p.approveCommand(), p.denyCommand(), p.withdrawCommand(),
		p.grantsCommand(), p.credentialCommand(), p.execCommand(), p.extendCommand(), p.returnCommand(), p.revokeCommand(), p.attestCommand(),
		p.freezesCommand(), p.unfreezeCommand(), p.delegateCommand(), p.delegationsCommand(), p.undelegateCommand(), p.findingsCommand(), p.configCommand(), p.auditCommand(), p.evidenceCommand(), p.mcpCommand(), p.loginCommand(), p.logoutCommand(), p.sessionsCommand(),
		p.tokensCommand(), p.passkeysCommand(), p.personsCommand(), p.profilesCommand(), p.whoamiCommand(), p.versionCommand(),
	)
	for _, cmd := range root.Commands() {
		for _, cmd := range append(cmd.Commands(), cmd) {
			cmd.RunE = p.beginning(cmd.RunE)
			if cmd.ValidArgsFunction == nil {
				cmd.ValidArgsFunction = cobra.NoFileCompletions
			}
		}
	}
	return root
}

// beginning notes that the command line was understood, flags and arguments included.
func (p *program) beginning(command func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p.began = true
		return command(cmd, args)
	}
}

// usagef is a mistake in how a command was called.
func usagef(format string, args ...any) error {
	return access.Errorf(access.KindInvalid, format, args...)
}

// lines makes a message of several lines, such as cobra's suggestions, harmless line by line.
func lines(s string) string {
	parts := strings.Split(strings.ReplaceAll(strings.TrimSpace(s), "\t", "  "), "\n")
	for i, part := range parts {
		parts[i] = display(part)
	}
	return strings.Join(parts, "\n")
}
