package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// killDelay is how long a command may take to end when it was told to, before it is killed.
const killDelay = 10 * time.Second

// runChild runs a command with the credential in its environment, and sends signals on to it. One that came before the
// command was there ends it before it begins.
func (p *program) runChild(ctx context.Context, argv []string, stdin io.Reader, cred access.Credential, signals <-chan os.Signal) (err error) {
	env, remove, err := environment(cred)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return err
	}
	select {
	case s := <-signals:
		return fmt.Errorf("interrupted by a signal (%s) before the command was run: %w", s, context.Canceled)
	default:
	}
	// It lives on when ours has been interrupted: it may want to.
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	told := make(chan os.Signal, 1)
	child := exec.CommandContext(living, argv[0], argv[1:]...)
	child.Stdin, child.Stdout, child.Stderr = stdin, p.stdout, p.stderr
	child.Env = append(os.Environ(), env...)
	child.Cancel = func() error { return child.Process.Signal(<-told) }
	child.WaitDelay = killDelay
	go func() {
		for {
			select {
			case s := <-signals:
				if sentByTerminal(s) {
					continue
				}
				told <- s
				end()
				return
			case <-living.Done():
				return
			}
		}
	}()
	return exitOf(child, child.Run())
}

// exitOf is what is passed on of how a command has ended.
func exitOf(child *exec.Cmd, err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return childExit{exit}
	}
	if errors.Is(err, context.Canceled) && child.ProcessState.Success() {
		return nil // it was told to end, and ended well
	}
	return err
}

// environment is what a child finds of a credential: variables, and files in a folder that remove removes.
func environment(cred access.Credential) (env []string, remove func() error, err error) {
	remove = func() error { return nil }
	if err := cred.CheckVariables(); err != nil {
		return nil, remove, err
	}
	for _, name := range slices.Sorted(maps.Keys(cred.Env)) {
		env = append(env, name+"="+cred.Env[name])
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
