package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// openTerminal makes a pseudo-terminal, of which keys is where a person types and reads.
func openTerminal(t *testing.T) (keys, terminal *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	fd := int(keys.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keys, terminal
}

// TestCtrlCReachesTheCommandOnce presses Ctrl-C while a command runs that does not end by it, as psql does not: it hears of
// it from the terminal, once, is told nothing by us, and goes on. Its own end gives the access back.
func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	w := enginetest.New(t)
	w.Run()
	getenv := serve(t, w, nil)
	keys, terminal := openTerminal(t)
	// In a session of its own, whose terminal this is.
	const child = `trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; while :; do read line && test "$line" = end && exit 7; done`
	cmd := exec.Command("curfew", "exec", enginetest.Read, "--reason", "order 17", "--", "sh", "-c", child)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = os.Environ()
	for _, name := range []string{"CURFEW_URL", "CURFEW_TOKEN", "CURFEW_STATE"} {
		cmd.Env = append(cmd.Env, name+"="+getenv(name))
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close() // ours, so that the last one of theirs ends the reading
	answers := map[string]string{"ready": "\x03", "INT": "end\n"}
	var shown []string
	for lines := bufio.NewScanner(keys); lines.Scan(); {
		line := lines.Text()
		line = line[strings.LastIndex(line, clearLine)+1:] // a progress may have stood there
		line = strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(line, clearLine[1:])), "^C")
		shown = append(shown, line)
		if _, err := keys.WriteString(answers[line]); err != nil {
			t.Fatal(err)
		}
		delete(answers, line)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("it ended with %v", err)
	}
	told := slices.DeleteFunc(slices.Clone(shown), func(line string) bool { return line != "INT" && line != "TERM" })
	if !slices.Equal(told, []string{"INT"}) {
		t.Errorf("the command was told %q, want one INT: %q", told, shown)
	}
	if g := askedOnce(t, w).Grants[0]; g.EndReason != access.EndReturned {
		t.Errorf("the grant is %s (%s)", g.State, g.EndReason)
	}
}
