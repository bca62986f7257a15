package localpeer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// NeedProgram finds a program on the PATH. Where it is missing, the Debian packages that bring it are installed if this
// is root on a Debian, with a line of progress; otherwise the error says what to install.
func NeedProgram(ctx context.Context, progress io.Writer, program string, packages ...string) (path string, err error) {
	there := func() bool {
		path, err = exec.LookPath(program)
		return err == nil
	}
	if there() {
		return path, nil
	}
	done, installErr := installDebian(ctx, progress, there, packages...)
	switch {
	case installErr != nil:
		return "", installErr
	case !done:
		return "", fmt.Errorf("there is no %s: install it, so that it is on the PATH (Debian: apt-get install %s)", program, strings.Join(packages, " "))
	}
	return path, nil
}

// installDebian installs packages when this is root on a system with apt-get, and reports whether what they bring is
// there now. Where nothing can be installed that is no error: somebody else has to help.
func installDebian(ctx context.Context, progress io.Writer, there func() bool, packages ...string) (bool, error) {
	if os.Geteuid() != 0 {
		return false, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return false, nil //nolint:nilerr // not a Debian
	}
	lock, err := lockInstall(ctx)
	if err != nil {
		return false, err
	}
	defer lock.unlock()
	// Another process may have installed it while this one waited.
	if there() {
		return true, nil
	}
	names := strings.Join(packages, " ")
	fmt.Fprintf(progress, "installing from Debian: %s\n", names)
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return false, fmt.Errorf("apt-get %s: %w: %s; install by hand: %s", args[0], err, tail(out), names)
		}
	}
	if !there() {
		return false, fmt.Errorf("the Debian packages %s were installed and did not bring what is needed; install it by hand", names)
	}
	return true, nil
}

// tail is the end of a program's output, short enough for an error.
func tail(out []byte) []byte {
	const most = 2000
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-most):]
}
