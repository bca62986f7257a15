package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// measureIdle is number 12, with the programs that people run.
func measureIdle(ctx context.Context, s settings) (_ []figure, err error) {
	i, err := install(`{type: postgres, dsn: ` + relativeDSN + `, databases: [orders], permissions: {read: {roles: [r]}, write: {roles: [r]}}}`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	// Nothing listens there, and nothing is asked for: an idle server does not wait for its targets.
	if err := i.edit(relativeDSN, i.wholeDSN()); err != nil {
		return nil, err
	}
	if err := i.write("dsn", "postgres://nobody:nothing@127.0.0.1:1/postgres?sslmode=disable"); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", i.folder+"/", "./cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the programs (bench runs from the module's root): %w: %s", err, out)
	}
	var ready, memory []float64
	for range s.rounds + 1 {
		r, m, err := idleOnce(ctx, i)
		if err != nil {
			return nil, err
		}
		ready, memory = append(ready, milliseconds(r)), append(memory, float64(m)/1e6)
	}
	trips, err := roundTrips(ctx, i, s.rounds*5)
	if err != nil {
		return nil, err
	}
	return []figure{
		// The first start makes the store and the key.
		single("first start to ready", "ms", ready[0]),
		estimate("start to ready", "ms", ready[1:], "≤ 100 ms", ""),
		estimate("idle memory", "MB", memory[1:], "≤ 40 MB", fmt.Sprintf("resident, 3 s after the start, %d principals", askers+2)),
		estimate("curfew whoami", "ms", trips, "≤ 30 ms", "a new process each time"),
	}, nil
}

// curfewd starts the server program on a port and waits until it accepts connections.
func curfewd(ctx context.Context, i installation) (cmd *exec.Cmd, addr string, ready time.Duration, err error) {
	cmd = exec.CommandContext(ctx, filepath.Join(i.folder, "curfewd"), "serve", "-c", i.config())
	cmd.Dir = i.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, "", 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, "", 0, err
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if _, rest, ok := strings.Cut(lines.Text(), `"address":"`); ok {
			addr, _, _ = strings.Cut(rest, `"`)
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, "", 0, err
			}
			return cmd, addr, time.Since(began), conn.Close()
		}
	}
	return nil, "", 0, fmt.Errorf("curfewd did not start: %w\n%s", cmd.Wait(), said.String())
}

func idleOnce(ctx context.Context, i installation) (ready time.Duration, memory int64, err error) {
	cmd, _, ready, err := curfewd(ctx, i)
	if err != nil {
		return 0, 0, err
	}
	sleep(ctx, 3*time.Second)
	memory, _, err = residentBytes(cmd.Process.Pid)
	return ready, memory, errors.Join(err, end(cmd))
}

// end asks a program to end, and waits.
func end(cmd *exec.Cmd) error {
	return errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait())
}

// roundTrips times `curfew whoami`.
func roundTrips(ctx context.Context, i installation, n int) (times []float64, err error) {
	server, addr, _, err := curfewd(ctx, i)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end(server)) }()
	for range n {
		cmd := exec.CommandContext(ctx, filepath.Join(i.folder, "curfew"), "whoami")
		cmd.Env = []string{"CURFEW_URL=http://" + addr, "CURFEW_TOKEN=" + i.token(asker(0)), "HOME=" + i.folder}
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("curfew whoami: %w: %s", err, out)
		}
		times = append(times, milliseconds(time.Since(began)))
	}
	return times, nil
}
