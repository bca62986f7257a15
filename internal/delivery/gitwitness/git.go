package gitwitness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput bounds what is read of a call.
	maxOutput = 256 << 10
	// dyingLimit is how long a call that was ended may hold its output open.
	dyingLimit = 2 * time.Second
)

// git is the program at work in one folder.
type git struct {
	ctx        context.Context
	folder     string
	repository string
	env        []string
}

func (g *git) gitDir() string { return filepath.Join(g.folder, "git") }

// run calls git. Options of ours keep a server from sending it elsewhere, and objects that are not well formed out.
func (g *git) run(input []byte, args ...string) ([]byte, error) {
	own := []string{"-c", "http.followRedirects=false", "-c", "transfer.fsckObjects=true", "-c", "gc.auto=0", "-c", "core.hooksPath=/dev/null"}
	if args[0] != "init" {
		own = append(own, "--git-dir="+g.gitDir())
	}
	cmd := exec.CommandContext(g.ctx, "git", append(own, args...)...)
	var out, errs bounded
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = g.folder, g.env, bytes.NewReader(input), &out, &errs
	// git has helpers of its own, which end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = dyingLimit
	err := cmd.Run()
	switch {
	case g.ctx.Err() != nil:
		return nil, fmt.Errorf("git %s: %w", args[0], g.ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the program git is not on this machine: install it")
	case err != nil:
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(errs.text)))
	case out.more:
		return nil, fmt.Errorf("git %s says more than %d bytes", args[0], maxOutput)
	}
	return out.text, nil
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	text []byte
	more bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), maxOutput-len(b.text))
	b.text = append(b.text, p[:room]...)
	b.more = b.more || room < len(p)
	return len(p), nil
}
