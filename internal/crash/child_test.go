package crash

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// A child is this test binary again, as curfewd: with envConfig it serves that configuration, and with envPoint it dies
// there.
const (
	envConfig = "CURFEW_CRASH_CONFIG"
	envPoint  = "CURFEW_CRASH_POINT"
)

// holdFile, in the folder of the configuration, holds back a child's Grants, and awayFile keeps its store from committing.
const (
	holdFile = "hold"
	awayFile = "away"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(envConfig); path != "" {
		if err := serve(path, point(os.Getenv(envPoint))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	// Lives spend their time waiting for leases and deadlines, not computing.
	if err := flag.Set("test.parallel", "14"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// serve is curfewd with a killer inside. It ends when its standard input does, and so with its parent.
func serve(path string, at point) error {
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	if err != nil {
		return err
	}
	for i := range c.Connectors {
		c.Connectors[i].Reconcile = time.Second // lives are short
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	k := killer{at: at}
	s, err := server.Start(ctx, c, server.Options{
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Clock: access.SystemClock{},
		WrapStore: func(s store.Store) store.Store {
			return mortalStore{Store: s, killer: k, away: filepath.Join(filepath.Dir(path), awayFile)}
		},
		WrapDriver: func(_ access.ConnectorName, d connector.Driver) connector.Driver {
			return mortalDriver{Driver: d, killer: k, failed: &sync.Once{}, hold: filepath.Join(filepath.Dir(path), holdFile)}
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(s.Addr())
	err = s.Wait(ctx)
	stopping, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	if stopErr := s.Stop(stopping); err == nil {
		err = stopErr
	}
	return err
}

// process is a running child.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   *strings.Builder
	addr  string
	// ended is closed when it has, killed says how.
	ended  chan struct{}
	killed bool
}

// start runs a child until it says where it listens, or has died.
func start(t *testing.T, configPath string, at point) *process {
	t.Helper()
	p := &process{log: &strings.Builder{}, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), envConfig+"="+configPath, envPoint+"="+string(at))
	p.cmd.Stderr = p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	p.addr = strings.TrimSpace(line)
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
		status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		p.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the child in peace, and by force if it does not go.
func (p *process) stop() {
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// alive reports whether the child still runs.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}
