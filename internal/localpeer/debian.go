package localpeer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// debianPackage is the package that holds the server; Debian's own version where any will do.
func debianPackage(major int) string {
	if major == 0 {
		return "postgresql"
	}
	return "postgresql-" + strconv.Itoa(major)
}

// installDebian installs the package when this is root on a system with apt-get that knows it. Otherwise it returns no
// programs and no error: somebody else has to help.
func installDebian(ctx context.Context, major int, progress io.Writer) (programs, error) {
	if os.Geteuid() != 0 {
		return programs{}, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return programs{}, nil //nolint:nilerr // not a Debian
	}
	lock, err := lockInstall(ctx)
	if err != nil {
		return programs{}, err
	}
	defer lock.unlock()
	// Another process may have installed it while this one waited.
	if p, ok := newest(installed(ctx), major); ok {
		return p, nil
	}
	if major != 0 && exec.CommandContext(ctx, "apt-cache", "show", debianPackage(major)).Run() != nil {
		return programs{}, nil
	}
	fmt.Fprintf(progress, "installing the Debian package %s\n", debianPackage(major))
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", debianPackage(major)}} {
		if err := runApt(ctx, apt, args); err != nil {
			return programs{}, err
		}
	}
	p, ok := newest(installed(ctx), major)
	if !ok {
		return programs{}, fmt.Errorf("the package %s was installed and brought no server; install PostgreSQL by hand", debianPackage(major))
	}
	return p, nil
}

func runApt(ctx context.Context, apt string, args []string) error {
	cmd := exec.CommandContext(ctx, apt, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w: %s; install PostgreSQL by hand", args[0], err, tail(out))
	}
	return nil
}

// tail is the end of a program's output, short enough for an error.
func tail(out []byte) []byte {
	const most = 2000
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-most):]
}
