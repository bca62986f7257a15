package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// returnLimit bounds how long giving back may take when the command has ended, however it ended.
	returnLimit = 30 * time.Second
	// killDelay is how long a command may take to end when it was told to, before it is killed.
	killDelay = 10 * time.Second
)

func (p *program) execCommand() *cobra.Command {
	o := requestOptions{timeout: durationFlag(waitDefault), wait: true}
	cmd := &cobra.Command{
		Use:   "exec ENTITLEMENT|GRANT -- COMMAND [ARGUMENT…]",
		Short: "Run a command with access, and give it back",
		Long: `Run a command with access, and give it back.

A live grant of mine is used, and stays. Without one the command asks, waits, and gives back what it was given when
the command has ended. The credential is in the environment of that command alone, in files that nobody else may
read where it needs some, and nowhere in its arguments. The exit code is the command's.`,
		Example:           `  curfew exec cluster/orders:read --reason "look at order 17" -- kubectl get pods`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: p.completeEntitlements,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 1 {
				return usagef("the command to run stands behind --, as in curfew exec cluster/orders:read -- kubectl get pods")
			}
			child := exec.CommandContext(cmd.Context(), args[1], args[2:]...)
			child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), p.stdout, p.stderr
			return p.exec(cmd.Context(), args[0], child, o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.duration, "for", "how long to ask for, as in 30m")
	f.StringVar(&o.reason, "reason", "", "why")
	f.StringVar(&o.ticket, "ticket", "", "the ticket that it is for")
	f.StringArrayVar(&o.params, "param", nil, "a parameter of the entitlement, as KEY=VALUE; may be repeated")
	f.Var(&o.timeout, "timeout", "how long to wait for access")
	return cmd
}

// exec runs the child with the credential of a grant. A grant that was asked for is given back, whatever becomes of the child.
func (p *program) exec(ctx context.Context, typed string, child *exec.Cmd, o requestOptions) (err error) {
	if child.Err != nil {
		return access.Wrap(access.KindNotFound, child.Err, "the command cannot be run: "+child.Err.Error())
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	g, asked, err := p.obtain(ctx, c, typed, o)
	if asked {
		defer func() {
			if back := p.giveBack(context.WithoutCancel(ctx), c, g); back != nil {
				// Of a command that failed the exit code is all that is passed on.
				fmt.Fprintf(p.stderr, "curfew: %s is not given back, and ends in its time: %s\n", display(g.Entitlement), lines(back.Error()))
				err = errors.Join(err, back)
			}
		}()
	}
	if err != nil {
		return err
	}
	var cred access.Credential
	if g.Account == "" {
		if cred, err = p.credential(ctx, g.ID); err != nil {
			return err
		}
	}
	return runWith(child, cred)
}

// obtain finds a live grant, or asks for one and waits for it. A grant that was asked for comes with an error too, if its access
// may be there all the same.
func (p *program) obtain(ctx context.Context, c *client.Client, typed string, o requestOptions) (g client.Grant, asked bool, err error) {
	g, err = findGrant(ctx, c, typed)
	if err == nil || access.KindOf(err) != access.KindNotFound || !strings.Contains(typed, "/") {
		return g, false, err
	}
	body, err := o.body([]string{typed})
	if err != nil {
		return g, false, err
	}
	keys, err := p.openKeyring()
	if err != nil {
		return g, false, err
	}
	defer keys.close()
	r, err := submit(ctx, c, keys, body)
	if err != nil {
		return g, false, err
	}
	r, err = p.await(ctx, c, r, time.Duration(o.timeout))
	if err == nil {
		err = outcome(r)
	}
	if len(r.Grants) != 1 {
		return g, false, errors.Join(err, forgetSettled(keys, r))
	}
	return r.Grants[0], r.Grants[0].State != client.GrantStateEnded, errors.Join(err, forgetSettled(keys, r))
}

// giveBack returns a grant, and says so where the child's output is not.
func (p *program) giveBack(ctx context.Context, c *client.Client, g client.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, returnLimit)
	defer cancel()
	g, err := decode[client.Grant](c.ReturnGrant(ctx, g.ID))
	if err != nil {
		return err
	}
	if g, err = gone(ctx, c, g); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "curfew: grant %s (%s) is given back: %s\n", access.Short(access.GrantID(g.ID)), display(g.Entitlement), grantNote(g, time.Now()))
	return p.forgetEnded([]client.Grant{g})
}

// runWith runs the child with the credential in its environment.
func runWith(child *exec.Cmd, cred access.Credential) (err error) {
	env, remove, err := environment(cred)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return err
	}
	child.Env = append(os.Environ(), env...)
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = killDelay
	err = child.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return childExit{exit}
	}
	return err
}

// environment is what a child finds of a credential: variables, and files in a folder that remove removes.
func environment(cred access.Credential) (env []string, remove func() error, err error) {
	remove = func() error { return nil }
	for name, value := range cred.Env {
		if !variable.MatchString(name) || strings.ContainsRune(value, 0) {
			return nil, remove, errNoVariable(name)
		}
		env = append(env, name+"="+value)
	}
	if len(cred.Files) == 0 {
		return env, remove, nil
	}
	dir, err := os.MkdirTemp("", "curfew-exec-") // which nobody else may enter
	if err != nil {
		return nil, remove, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	for name, content := range cred.Files {
		if !variable.MatchString(name) {
			return nil, remove, errNoVariable(name)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return nil, remove, err
		}
		env = append(env, name+"="+path)
	}
	return env, remove, nil
}

// childExit is the end of a child that did not end with 0. The child has said why.
type childExit struct{ *exec.ExitError }

// code is the child's exit code; as shells do, 128 and its number for a signal.
func (e childExit) code() int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}
