package coredump_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/internal/coredump"
)

// envChild has the test binary say how it stands, before Disable and after.
const envChild = "CURFEW_COREDUMP_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) == "" {
		os.Exit(m.Run())
	}
	before := standing()
	if err := coredump.Disable(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%s; %s\n", before, standing())
}

// standing says what the kernel would do with this process, and how large a dump a child of it may ask for.
func standing() string {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var limit syscall.Rlimit
	if limitErr := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil || limitErr != nil {
		return fmt.Sprint(err, limitErr)
	}
	return fmt.Sprintf("dumpable %d, limit %d of %d", dumpable, limit.Cur, limit.Max)
}

// The process is not dumped any more, whatever it was allowed before; what it starts may ask for a dump as before.
func TestDisable(t *testing.T) {
	child := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$0"`, os.Args[0])
	child.Env = append(os.Environ(), envChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("dumpable 1, limit %d of %d; dumpable 0, limit 0 of %[2]d", limit.Max, limit.Max)
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("the process says %q, want %q", got, want)
	}
}
