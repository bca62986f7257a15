// Command curfewd is Curfew's server program. It owns its flags, and hands over at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // conditions on the time of day give the same answer on every machine

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/coredump"
	"github.com/curfewhq/curfew/internal/dev"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/telemetry"
)

func main() {
	if err := coredump.Disable(); err != nil {
		fmt.Fprintln(os.Stderr, "curfewd:", err)
		os.Exit(access.KindMisconfigured.ExitCode())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without the process around it. It returns the exit code: 0 done, 1 failed, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	began := false
	root := rootCommand()
	eachCommand(root, func(cmd *cobra.Command) {
		command := cmd.RunE
		if command == nil {
			return
		}
		// After a command has taken over, an error is no longer one of usage.
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			began = true
			return command(cmd, args)
		}
	})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	ran, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case began:
		fmt.Fprintln(stderr, "curfewd:", err)
		return access.KindInternal.ExitCode()
	default:
		fmt.Fprintf(stderr, "curfewd: %s\nRun '%s --help' for how to use it.\n", strings.TrimSpace(err.Error()), ran.CommandPath())
		return access.KindInvalid.ExitCode()
	}
}

// eachCommand calls fn with every command below one.
func eachCommand(above *cobra.Command, fn func(*cobra.Command)) {
	for _, cmd := range above.Commands() {
		fn(cmd)
		eachCommand(cmd, fn)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "curfewd",
		Short:         "Access for a stated time, taken back and read back as gone",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), devCommand(), checkCommand(), backupCommand(), restoreCommand(), auditCommand(), keysCommand(), configCommand())
	return root
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration: a file, or a folder of *.yaml files")
	_ = cmd.MarkFlagRequired("config")
	_ = cmd.MarkFlagFilename("config", "yaml")
}

func serveCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve -c FILE",
		Short: "Serve until SIGINT or SIGTERM; SIGHUP reads the configuration again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), path, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// stopLimit bounds how long a stopping server waits for answers under way.
const stopLimit = 30 * time.Second

func serve(ctx context.Context, path string, stderr io.Writer) error {
	load := func() (*config.Config, error) {
		return config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	}
	c, err := load()
	if err != nil {
		return err
	}
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	spans, err := telemetry.NewExporter(ctx)
	if err != nil {
		return fmt.Errorf("exporting traces (OTEL_EXPORTER_OTLP_…): %w", err)
	}
	s, err := server.Start(ctx, c, server.Options{Log: log, Clock: access.SystemClock{}, Spans: spans})
	if err != nil {
		return err
	}
	log.Info("serving", "address", s.Addr().String(), "policies", c.PolicySet.Digest())
	debug.FreeOSMemory() // what the start took, and a server that has little to do would keep for minutes
	err = s.WaitReloading(ctx, hangUps, load)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	return errors.Join(err, s.Stop(stopping))
}

func devCommand() *cobra.Command {
	o := dev.Options{}
	output := "text"
	cmd := &cobra.Command{
		Use:   "dev [--data DIR] [--tour[=TARGET]]",
		Short: "Run a demo with private servers, people and policies",
		Args:  cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("-o is text or json, not %q", output)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.JSON, o.Stdout, o.Stderr = output == "json", cmd.OutOrStdout(), cmd.ErrOrStderr()
			return dev.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Data, "data", "", "a folder to keep everything in (default: a temporary one)")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8420", "the address to listen on; a free port when it is taken")
	cmd.Flags().StringVar(&o.Tour, "tour", "", "play the life of a grant in about a minute, and end; --tour=TARGET at another one that is on this machine ("+strings.Join(dev.Targets(), ", ")+")")
	cmd.Flags().Lookup("tour").NoOptDefVal = dev.Postgres
	cmd.Flags().StringVarP(&output, "output", "o", output, "text, or json for one line of JSON")
	_ = cmd.MarkFlagDirname("data")
	return cmd
}

func checkCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration without starting anything",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
			if err != nil {
				return err
			}
			if err := server.CheckKey(c.Server.Key); err != nil {
				return err
			}
			for _, warning := range server.CheckAudit(c) {
				fmt.Fprintln(cmd.ErrOrStderr(), "curfewd: WARNING:", warning)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good (connectors: %d, policies: %d, digest: %s)\n", path, len(c.Connectors), len(c.Policies), c.Digest)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
