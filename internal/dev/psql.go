package dev

import (
	"bufio"
	"context"
	"io"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// command is psql, without the user's own settings, and with the password in its environment: arguments are for
// everybody on the machine to read.
func (t *psql) command(ctx context.Context, dsn *url.URL, args ...string) *exec.Cmd {
	password, _ := dsn.User.Password()
	bare := *dsn
	bare.User = url.User(dsn.User.Username())
	cmd := exec.CommandContext(ctx, t.program, append([]string{"--no-psqlrc", "--no-password", bare.String()}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGCONNECT_TIMEOUT=10")
	return cmd
}

// run runs one statement as a user of the database orders, and returns everything that psql said.
func (t *psql) run(ctx context.Context, user, password, statement string) (string, error) {
	return t.runDSN(ctx, t.postgres.DSN("orders", user, password), statement)
}

func (t *psql) runDSN(ctx context.Context, dsn, statement string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	out, err := t.command(ctx, u, "--command", statement).CombinedOutput()
	return string(out), err
}

// session keeps one psql open and gives it the statement again and again, until the server ends it: the error is
// psql's. Everything that it says is shown as it says it.
func (t *psql) session(ctx context.Context, c access.Credential, statement string, every time.Duration) error {
	u, err := url.Parse(t.postgres.DSN("orders", c.Username, c.Password))
	if err != nil {
		return err
	}
	return t.keepAsking(ctx, t.command(ctx, u, "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"), statement, every)
}

// keepAsking gives a program the statement again and again, until it ends. Everything that it says is shown as it says it.
func (t *tour) keepAsking(ctx context.Context, cmd *exec.Cmd, statement string, every time.Duration) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	typing, stop := context.WithCancel(ctx)
	defer stop()
	go keepTyping(typing, in, statement+";\n", every)
	return t.watch(cmd)
}

// watch runs a program until it ends, and shows what it says as it says it.
func (t *tour) watch(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.show(lines.Text())
	}
	return cmd.Wait()
}

// keepTyping writes the statement until nobody reads it any more.
func keepTyping(ctx context.Context, w io.WriteCloser, statement string, every time.Duration) {
	defer w.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, statement); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
