package localpeer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// starterEnv makes the test binary start a server, tell about it, and wait to be killed.
const starterEnv = "CURFEW_TEST_STARTER"

func TestMain(m *testing.M) {
	if os.Getenv(starterEnv) != "" {
		runStarter()
		return
	}
	goleak.VerifyTestMain(m)
}

func runStarter() {
	p, err := localpeer.StartPostgres(context.Background(), localpeer.PostgresOptions{})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(p.SuperuserDSN(localpeer.Superuser))
	_, _ = io.Copy(io.Discard, os.Stdin) // blocks until the test kills this process
}

func start(t *testing.T, o localpeer.PostgresOptions) *localpeer.Postgres {
	t.Helper()
	p, err := localpeer.StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func query[T any](ctx context.Context, dsn, sql string) (value T, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return value, err
	}
	err = conn.QueryRow(ctx, sql).Scan(&value)
	return value, errors.Join(err, conn.Close(ctx))
}

func mustQuery[T any](t *testing.T, dsn, sql string) T {
	t.Helper()
	value, err := query[T](t.Context(), dsn, sql)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestStartsEveryVersionAndLeavesNothing(t *testing.T) {
	for _, version := range []int{0, 15, 18} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			t.Parallel()
			p := start(t, localpeer.PostgresOptions{Version: version, Settings: map[string]string{"max_prepared_transactions": "7"}})
			dsn := p.SuperuserDSN(localpeer.Superuser)
			if got := mustQuery[string](t, dsn, "SHOW max_prepared_transactions"); got != "7" {
				t.Errorf("the setting is %s, want 7", got)
			}
			if got := mustQuery[int](t, dsn, "SELECT current_setting('server_version_num')::int / 10000"); got != p.Version() || (version != 0 && got != version) {
				t.Errorf("version %d runs, Version says %d, asked was %d", got, p.Version(), version)
			}
			cluster := mustQuery[string](t, dsn, "SHOW data_directory")
			pid := mustQuery[int](t, dsn, "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int")
			for range 2 {
				if err := p.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Dir(cluster)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is still there: %v", err)
			}
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("the server's process is still there: %v", err)
			}
		})
	}
}

func TestRefusesWithoutPassword(t *testing.T) {
	t.Parallel()
	p := start(t, localpeer.PostgresOptions{})
	for _, password := range []string{"", "postgres"} {
		if _, err := query[int](t.Context(), p.DSN("postgres", localpeer.Superuser, password), "SELECT 1"); err == nil {
			t.Errorf("the superuser got in with the password %q", password)
		}
	}
}

func TestServersAtOnce(t *testing.T) {
	t.Parallel()
	var ports sync.Map
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			p, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, taken := ports.LoadOrStore(p.Addr(), true); taken {
				t.Errorf("two servers on %s", p.Addr())
			}
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	_, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the error is %v, want one that shows what the server wrote", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := localpeer.StartPostgres(cancelled, localpeer.PostgresOptions{}); err == nil {
		t.Error("a start under a cancelled context succeeded")
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUnknownVersionSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{Version: 8})
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 8 is not installed: install") {
		t.Errorf("the error is %v", err)
	}
}

func TestKeptFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "kept")
	first := start(t, localpeer.PostgresOptions{DataDir: dir, Fsync: true})
	dsn := first.SuperuserDSN("postgres")
	if _, err := query[int](t.Context(), dsn, "CREATE TABLE kept AS SELECT 42 AS answer"); !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	if _, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{DataDir: dir}); err == nil {
		t.Error("a second server started in the same folder")
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{DataDir: dir, Version: 14}); err == nil {
		t.Error("another version started on a kept cluster")
	}
	second := start(t, localpeer.PostgresOptions{DataDir: dir})
	if got := mustQuery[int](t, second.SuperuserDSN("postgres"), "SELECT answer FROM kept"); got != 42 {
		t.Errorf("the kept table says %d", got)
	}
}

func TestCrashAndRestart(t *testing.T) {
	t.Parallel()
	p := start(t, localpeer.PostgresOptions{})
	dsn := p.SuperuserDSN("postgres")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for range 2 {
		if err := p.Crash(); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session survived the crash")
	}
	if _, err := query[int](t.Context(), dsn, "SELECT 1"); err == nil {
		t.Error("the crashed server answers")
	}
	for range 2 { // from a crash, and while it runs
		if err := p.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustQuery[int](t, dsn, "SELECT 1")
	}
}

// TestOwnClock shifts the clock of a server while it runs, and across a restart.
func TestOwnClock(t *testing.T) {
	for _, version := range []int{15, 18} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			p := start(t, localpeer.PostgresOptions{Version: version, OwnClock: true})
			offset := func() time.Duration {
				var at time.Time
				conn, err := pgx.Connect(t.Context(), p.SuperuserDSN("postgres"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(t.Context())
				if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&at); err != nil {
					t.Fatal(err)
				}
				return time.Until(at).Round(time.Hour)
			}
			for _, by := range []time.Duration{0, 24 * time.Hour, -2 * time.Hour, 0} {
				if err := p.ShiftClock(by); err != nil {
					t.Fatal(err)
				}
				for offset() != by { // the postmaster, whose child each session is, may have read it just before
				}
			}
			if err := errors.Join(p.ShiftClock(5*time.Hour), p.Restart(t.Context())); err != nil {
				t.Fatal(err)
			}
			if got := offset(); got != 5*time.Hour {
				t.Errorf("after a restart the clock is %s away", got)
			}
		})
	}
	if err := start(t, localpeer.PostgresOptions{}).ShiftClock(time.Hour); err == nil {
		t.Error("a server without a clock of its own says that it was shifted")
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	p := start(t, localpeer.PostgresOptions{})
	conn, err := pgx.Connect(t.Context(), p.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	resume, err := p.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(t.Context()) }()
	// A new connection is accepted by the kernel and greeted by nobody.
	if err := pingFor(t, p.SuperuserDSN("postgres"), 200*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a new connection to a paused server: %v", err)
	}
	select {
	case err := <-answered:
		t.Errorf("a session of a paused server answers: %v", err)
	default:
	}
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the session did not go on: %v", err)
	}
}

func pingFor(t *testing.T, dsn string, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := query[int](ctx, dsn, "SELECT 1")
	return err
}

// TestDiesWithItsStarter kills a process that has started a server with the one signal that nobody
// can handle.
func TestDiesWithItsStarter(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	dsn := startAndKillStarter(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for listens(ctx, t, dsn) {
		if ctx.Err() != nil {
			t.Fatal("the server outlived its starter")
		}
	}
	// The next start takes the folder away.
	p := start(t, localpeer.PostgresOptions{})
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "curfew-peer-*"))
	if err != nil || len(left) != 1 {
		t.Errorf("folders are %v, want only the new one; %v", left, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func startAndKillStarter(t *testing.T) (dsn string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), starterEnv+"=1")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("the starter says %q, %v", line, err)
	}
	dsn = strings.TrimSpace(line)
	mustQuery[int](t, dsn, "SELECT 1")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	return dsn
}

func listens(ctx context.Context, t *testing.T, dsn string) bool {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// openDir is a folder that the account of the server reaches, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "localpeer-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
