package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// signalsHeld is how many signals wait for a command that is not running yet. One is enough to keep it from being run.
const signalsHeld = 8

func (p *program) execCommand() *cobra.Command {
	o := requestOptions{timeout: durationFlag(waitDefault), wait: true}
	cmd := &cobra.Command{
		Use:   "exec ENTITLEMENT|GRANT -- COMMAND [ARGUMENT…]",
		Short: "Run a command with access, and give it back",
		Long: `Run a command with access, and give it back.

A live grant of mine is used, and stays. Without one the command asks, waits, and gives back what it was given when
the command has ended; what nobody has decided when the waiting ends is withdrawn. The credential is in the environment
of that command alone, in files that nobody else may read where it needs some, and nowhere in its arguments. The exit
code is the command's.

Ctrl-C goes to the command, which may go on. Whoever else sends a signal that ends programs has it sent on, and what
then still runs ten seconds later is killed.`,
		Example:           `  curfew exec cluster/orders:read --reason "look at order 17" -- kubectl get pods`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: p.completeEntitlements,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 1 {
				return usagef("the command to run stands behind --, as in curfew exec cluster/orders:read -- kubectl get pods")
			}
			return p.exec(cmd.Context(), args[0], args[1:], cmd.InOrStdin(), o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.duration, "for", "how long to ask for, as in 30m")
	f.StringVar(&o.reason, "reason", "", "why")
	f.StringVar(&o.ticket, "ticket", "", "the ticket that it is for")
	f.StringArrayVar(&o.params, "param", nil, "a parameter of the entitlement, as KEY=VALUE; may be repeated")
	f.Var(&o.timeout, "timeout", "how long to wait for access")
	noBrowserFlag(cmd, &o.noBrowser)
	return cmd
}

// exec runs a command with the credential of a grant. What was asked for is taken back, whatever becomes of the command.
func (p *program) exec(ctx context.Context, typed string, argv []string, stdin io.Reader, o requestOptions) (err error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return access.Wrap(access.KindNotFound, err, "the command cannot be run")
	}
	// From here on a signal is either seen by the wait, or waits for the command.
	signals := make(chan os.Signal, signalsHeld)
	signal.Notify(signals, endingSignals()...)
	defer signal.Stop(signals)
	c, err := p.connect()
	if err != nil {
		return err
	}
	g, asked, err := p.obtain(ctx, c, typed, o)
	defer func() {
		back := p.callOff(ctx, c, asked)
		if _, failed := errors.AsType[childExit](err); failed && back != nil {
			// Of a command that failed the exit code is all that is passed on.
			fmt.Fprintf(p.stderr, "curfew: %s\n", lines(back.Error()))
		}
		err = errors.Join(err, back)
	}()
	if err != nil {
		return err
	}
	var cred access.Credential
	if g.Account == "" {
		if cred, err = p.credential(ctx, g.ID); err != nil {
			return err
		}
	}
	return p.runChild(ctx, argv, stdin, cred, signals)
}

// obtain finds a live grant, or asks for one and waits for it. What was asked for comes with an error too, as far as it is
// known: of a request whose answer was lost that is the key that came with it.
func (p *program) obtain(ctx context.Context, c *client.Client, typed string, o requestOptions) (g client.Grant, asked client.Request, err error) {
	g, err = findGrant(ctx, c, typed)
	if err == nil || access.KindOf(err) != access.KindNotFound || !strings.Contains(typed, "/") {
		return g, asked, err
	}
	body, err := o.body([]string{typed})
	if err != nil {
		return g, asked, err
	}
	keys, err := p.openKeyring()
	if err != nil {
		return g, asked, err
	}
	defer keys.close()
	if asked, err = submit(ctx, c, keys, body); err != nil {
		return g, asked, err
	}
	if asked, err = p.confirmed(ctx, c, asked, o.noBrowser); err != nil {
		return g, asked, err
	}
	if asked, err = p.await(ctx, c, asked, time.Duration(o.timeout)); err == nil {
		err = outcome(asked)
	}
	if err == nil && len(asked.Grants) != 1 {
		err = access.Errorf(access.KindUnavailable, "the server answered one entitlement with %d grants", len(asked.Grants))
	}
	if err = errors.Join(err, forgetSettled(keys, asked)); err != nil {
		return g, asked, err
	}
	return asked.Grants[0], asked, nil
}
