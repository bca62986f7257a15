package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/coredump"
)

func main() {
	if err := coredump.Disable(); err != nil {
		fmt.Fprintln(os.Stderr, "curfew:", err)
		os.Exit(access.KindMisconfigured.ExitCode())
	}
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// endingSignals are those that end a program, and that end this one in order.
func endingSignals() []os.Signal {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP) // the terminal was closed
	}
	return ends
}
