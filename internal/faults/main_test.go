package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/server"
)

// envPrivate says that this process has namespaces of its own; envDescriptors is how many files a child may open.
const (
	envPrivate     = "CURFEW_FAULTS_PRIVATE"
	envDescriptors = "CURFEW_FAULTS_DESCRIPTORS"
)

func TestMain(m *testing.M) {
	rotateIfChild()
	curfewdtest.ServeIfChild(limitDescriptors)
	if os.Getenv(envPrivate) == "" {
		fmt.Fprintln(os.Stderr, moveOut())
		os.Exit(1)
	}
	flag.Parse()
	// The tests wait for leases and deadlines, but nodes under load compute as well.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// moveOut runs this program again where what it mounts is seen by nobody else, and is gone when it has ended, however it
// ends. It returns only when that fails.
func moveOut() error {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return fmt.Errorf("there is no unshare: install it (Debian: apt-get install util-linux)")
	}
	private := []string{unshare, "--mount"}
	if os.Geteuid() != 0 {
		// Capabilities of a user namespace that is ours; PostgreSQL would not run as its root.
		private = append(private, "--user", "--map-current-user", "--keep-caps")
	}
	if out, err := exec.Command(private[0], append(private[1:], "true")...).CombinedOutput(); err != nil {
		return fmt.Errorf("these tests mount disks and make networks in namespaces of their own, and cannot have any (%w): %s"+
			"run them as root, or allow unprivileged user namespaces", err, out)
	}
	return syscall.Exec(unshare, append(private, os.Args...), append(os.Environ(), envPrivate+"=1"))
}

// limitDescriptors lowers the limit of open files of a child, whatever the Go runtime raised it to.
func limitDescriptors(_ string, _ *config.Config, _ *server.Options) error {
	text := os.Getenv(envDescriptors)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
}
