package canary

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/syncbuf"
)

// buildPrograms builds curfew and curfewd, and returns the folder. But for the paths in it, which would have everything compiled
// once more, they are what is shipped.
func buildPrograms(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "./cmd/curfew", "./cmd/curfewd")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// startLimit and stopLimit bound how long a program takes to begin and to end in peace, on a machine that has other things to do.
const (
	startLimit = time.Minute
	stopLimit  = time.Minute
)

// daemon is curfewd at work: the real program.
type daemon struct {
	testing.TB
	cmd            *exec.Cmd
	stdout, stderr syncbuf.Buffer
	ended          chan struct{}
}

// dumping has a program begin with core dumps allowed, as far as this process may allow that.
const dumping = `ulimit -S -c "$(ulimit -H -c)"; exec "$0" "$@"`

// startDaemon starts the program. It is stopped at the end of the test.
func startDaemon(t testing.TB, program string, env []string, args ...string) *daemon {
	t.Helper()
	// It outlives the test's context, to be stopped in peace.
	d := &daemon{TB: t, cmd: exec.CommandContext(context.Background(), "sh", append([]string{"-c", dumping, program}, args...)...), ended: make(chan struct{})}
	d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr = env, &d.stdout, &d.stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait()
	}()
	t.Cleanup(d.stop)
	return d
}

// await waits until the program has said something n times, and returns the last match of the pattern's group.
func (d *daemon) await(said *syncbuf.Buffer, n int, pattern string) string {
	d.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if found := re.FindAllStringSubmatch(said.String(), -1); len(found) >= n {
			return found[n-1][len(found[n-1])-1]
		}
		select {
		case <-tick.C:
		case <-d.ended:
			d.Fatalf("the program ended before it said %q:\n%s%s", pattern, d.stdout.String(), d.stderr.String())
		case <-limit.C:
			d.Fatalf("the program does not say %q:\n%s%s", pattern, d.stdout.String(), d.stderr.String())
		}
	}
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

func (d *daemon) signal(s syscall.Signal) {
	d.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.Fatal(fmt.Errorf("send %v: %w", s, err))
	}
}

// stop ends it in peace, and by force if it does not go. Stopping twice is safe.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-d.ended:
	case <-limit.C:
		d.Errorf("the program does not end:\n%s", d.stderr.String())
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}
