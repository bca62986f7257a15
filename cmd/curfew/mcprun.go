package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	// runUsual and runMost are how long a command may run.
	runUsual = durationFlag(time.Minute)
	runMost  = durationFlag(10 * time.Minute)
	// maxRunning bounds the commands that run at the same time.
	maxRunning = 4
	// maxOutput bounds what is returned of each of a command's outputs, in bytes. outputMargin is read beyond that, so that a
	// secret which the bound would cut is seen whole, and taken out whole.
	maxOutput    = 64 << 10
	outputMargin = 64 << 10
	// maxArguments and maxArgument bound a command.
	maxArguments = 256
	maxArgument  = 64 << 10
)

type runIn struct {
	Access  string   `json:"access" jsonschema:"an entitlement as list_access names it, or a grant as list_grants does"`
	Command []string `json:"command" jsonschema:"the program and its arguments, one each; no shell reads them"`
	Reason  string   `json:"reason,omitempty" jsonschema:"why, for the humans who decide and for the audit log, where access has to be asked for"`
	For     string   `json:"for,omitempty" jsonschema:"how long to ask for, as in 10m"`
	Ticket  string   `json:"ticket,omitempty" jsonschema:"the ticket that it is for"`
	Wait    string   `json:"wait,omitempty" jsonschema:"how long to wait for access, as in 1m, which is usual; at most 10m"`
	Timeout string   `json:"timeout,omitempty" jsonschema:"how long the command may run, as in 1m, which is usual; at most 10m"`
}

type runOut struct {
	ExitCode int        `json:"exit_code" jsonschema:"128 and more where a signal ended it"`
	TimedOut bool       `json:"timed_out,omitempty" jsonschema:"it was ended because its time was up"`
	Stdout   *untrusted `json:"stdout,omitempty"`
	Stderr   *untrusted `json:"stderr,omitempty"`
	Cut      bool       `json:"cut,omitempty" jsonschema:"there was more output than is returned"`
	Grant    string     `json:"grant" jsonschema:"the grant that was used"`
	Returned bool       `json:"returned" jsonschema:"it was asked for by this call, and given back at its end"`
}

// runWithAccess runs a command with the credential of a grant. What was asked for is taken back, whatever becomes of the
// command, and of the client.
func (s *mcpServer) runWithAccess(ctx context.Context, in runIn) (out runOut, err error) {
	if err := s.checkCommand(in.Command); err != nil {
		return out, err
	}
	o, timeout, err := in.options()
	if err != nil {
		return out, err
	}
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	default:
		return out, access.Errorf(access.KindExhausted, "%d commands run already; try again when one of them has ended", maxRunning)
	}
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	_, token, err := s.server()
	if err != nil {
		return out, err
	}
	hidden := []string{token}
	defer func() { err = secret.NewOutputRedactor(hidden...).Error(err) }()
	g, asked, err := s.obtain(ctx, c, in.Access, o)
	defer func() { err = errors.Join(err, s.callOff(ctx, c, asked)) }()
	if err != nil {
		return out, err
	}
	var cred access.Credential
	if g.Account == "" {
		if cred, err = s.credential(ctx, g.ID); err != nil {
			return out, err
		}
		hidden = append(hidden, cred.Secrets()...)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(timeout))
	defer cancel()
	out, err = runCaptured(ctx, in.Command, cred, secret.NewOutputRedactor(hidden...))
	out.Grant, out.Returned = g.ID, asked.ID != ""
	return out, err
}

// checkCommand refuses a command that is too long, not allowed, or not there, before anything is asked for.
func (s *mcpServer) checkCommand(argv []string) error {
	size := 0
	for _, a := range argv {
		size += len(a)
	}
	switch {
	case len(argv) == 0 || argv[0] == "":
		return usagef("command: the program and its arguments, as in [\"psql\", \"-c\", \"select 1\"]")
	case len(argv) > maxArguments || size > maxArgument:
		return usagef("command: at most %d arguments with %d KiB together", maxArguments, maxArgument>>10)
	case slices.ContainsFunc(argv, func(a string) bool { return strings.ContainsRune(a, 0) }):
		return usagef("command: an argument has a NUL character")
	}
	if err := s.mayRun(argv[0]); err != nil {
		return err
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return access.Wrap(access.KindNotFound, err, "the command cannot be run")
	}
	return nil
}

// options are those of the request, and how long the command may run.
func (in runIn) options() (o requestOptions, timeout durationFlag, err error) {
	o = requestOptions{reason: in.Reason, ticket: in.Ticket, wait: true}
	if o.timeout, err = span("wait", in.Wait, waitUsual, waitMost); err != nil {
		return o, 0, err
	}
	if o.duration, err = span("for", in.For, 0, durationFlag(access.MaxDuration)); err != nil {
		return o, 0, err
	}
	timeout, err = span("timeout", in.Timeout, runUsual, runMost)
	return o, timeout, err
}

// runCaptured runs a command with nothing to read and a credential in its environment, until it ends or ctx does, and returns
// what it printed without what the redactor knows. Nothing that it started outlives it.
func runCaptured(ctx context.Context, argv []string, cred access.Credential, redactor secret.Redactor) (out runOut, err error) {
	env, remove, err := environment(cred)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return out, err
	}
	var stdout, stderr capture
	child := exec.CommandContext(ctx, argv[0], argv[1:]...)
	child.Stdout, child.Stderr = &stdout, &stderr
	child.Env = append(withoutOurs(os.Environ()), env...)
	child.WaitDelay = killDelay
	endGroup := inGroup(child)
	err = child.Run()
	endGroup()
	out.Stdout, out.Stderr = stdout.redacted(redactor), stderr.redacted(redactor)
	out.Cut = stdout.cut() || stderr.cut()
	switch exit, ended := errors.AsType[childExit](exitOf(child, err)); {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return out, fmt.Errorf("the call was ended before the command: %w", context.Canceled)
	case ctx.Err() != nil:
		out.TimedOut, out.ExitCode = true, -1
		return out, nil
	case ended:
		out.ExitCode = exit.code()
		return out, nil
	case errors.Is(err, exec.ErrWaitDelay):
		return out, nil // something that it started kept its output open
	}
	return out, err
}

// ourVariables begins the names of what only this program is to know: a command with the token could fetch the credential
// itself, and print it in a form that nobody looks for.
const ourVariables = "CURFEW_"

// withoutOurs is an environment without our variables.
func withoutOurs(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, ourVariables) })
}

// capture keeps the beginning of what a command prints. Something that the command left behind may still write to it.
type capture struct {
	mu   sync.Mutex
	kept bytes.Buffer
	// all is how much there was.
	all int
}

// Write implements io.Writer. What is too much is read and forgotten, so that the command does not wait for somebody to read it.
func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all += len(b)
	if room := maxOutput + outputMargin - c.kept.Len(); room > 0 {
		c.kept.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (c *capture) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all > maxOutput
}

// redacted is what was printed, bounded and without secrets; nil where nothing was. It is bounded after the secrets are out,
// since half a secret is none that a redactor knows.
func (c *capture) redacted(r secret.Redactor) *untrusted {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.ToValidUTF8(r.Text(c.kept.String()), "�")
	if text == "" {
		return nil
	}
	if len(text) > maxOutput {
		text = strings.ToValidUTF8(text[:maxOutput], "")
	}
	return &untrusted{text}
}
