package gitwitness_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// daemon serves the repositories beside one, on this machine, with git's own server.
func daemon(t *testing.T, path string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "daemon", "--listen=127.0.0.1", "--port="+strconv.Itoa(port), "--base-path="+filepath.Dir(path),
		"--export-all", "--enable=receive-pack", "--reuseaddr")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	})
	at := fmt.Sprintf("127.0.0.1:%d", port)
	for range 500 {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
			return "git://" + at + "/" + filepath.Base(path)
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("git daemon does not listen on %s", at)
	return ""
}
