package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestDiskFull fills the disk of the books under load. Who asks is told so; what was given is taken back all the same,
// in the room that the ballast gave up, while the disk is full; and with room everything goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	mount(t, folder, "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs")
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 15}), data: folder})
	n := w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	l.more(30)
	filler := fill(t, folder)
	ask := person{w: w, node: n}
	w.until("the full disk is noticed", func() error {
		_, err := ask.submit("db/orders:read", brief)
		if err == nil || !strings.Contains(err.Error(), "disk is full") {
			return fmt.Errorf("asking for access: %w", errors.Join(err, errNotYet))
		}
		return nil
	})
	l.finish()

	// What waits for its activation ends too, when the time for that has run out. What lives is taken back at once.
	left, err := w.listUnended(n)
	if err != nil || len(left) == 0 {
		t.Fatalf("%d grants to take back: %v", len(left), err)
	}
	w.takenBack(n)
	t.Logf("%d grants were taken back on the full disk", len(left))
	if _, err := os.Stat(filepath.Join(folder, "curfew.db.ballast")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is there on a full disk: %v", err)
	}
	if _, err := ask.submit("db/orders:read", brief); !errors.Is(err, errRefused) {
		t.Errorf("asking on a full disk, when all is quiet: %v", err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.until("it goes on with room", func() error {
		_, err := ask.submit("db/orders:read", brief)
		return err
	})
	w.verdict()
	if info, err := os.Stat(filepath.Join(folder, "curfew.db.ballast")); err != nil || info.Size() == 0 {
		t.Errorf("the ballast is not there again: %v", err)
	}
}

// fill takes up all the room there is.
func fill(t *testing.T, folder string) (path string) {
	t.Helper()
	path = filepath.Join(folder, "filler")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		piece := make([]byte, size)
		for err == nil {
			_, err = file.Write(piece)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	return path
}

// TestDiskReadOnly has the file system of the books find an error and turn read-only, as ext4 does. Nothing can be
// committed; the node stays and says so; and after the repair everything comes to its end.
//
// Nothing is written in the moment of the error: ext4 may say of an fsync that it is done and drop what it wrote while an
// error turns it read-only (Linux 6.18: 2 of 30 times in a loop of nothing but writes and fdatasync). Then the start
// refuses, and names the events that are missing, as docs/store.md says; what this test is about would not be reached.
func TestDiskReadOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a file as a disk, for which it needs to be root")
	}
	image, folder := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	run(t, "truncate", "-s", "64m", image)
	run(t, need(t, "mkfs.ext4", "e2fsprogs"), "-q", image)
	mount(t, folder, "-o", "loop,errors=remount-ro", image)
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18}), data: folder})
	n := w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	l.more(12)
	l.finish()
	if _, err := (person{w: w, node: n}).submit("db/orders:read", long); err != nil {
		t.Fatal(err)
	}
	w.until("nothing is being written", func() error { return w.quiet(n) })
	breakFileSystem(t, folder)
	w.until("the disk is noticed", func() error {
		_, err := person{w: w, node: n}.submit("db/orders:read", brief)
		if err == nil || !strings.Contains(err.Error(), "503") {
			return fmt.Errorf("asking for access: %w", errors.Join(err, errNotYet))
		}
		return nil
	})
	if !n.process().Alive() {
		t.Fatalf("curfewd is gone:\n%s", n.process().Log())
	}
	if left, err := w.listUnended(n); err != nil || len(left) == 0 {
		t.Errorf("on a disk that is read-only %d grants are left: %v", len(left), err)
	}
	n.process().Stop()
	run(t, "umount", folder)
	repair(t, image)
	mount(t, folder, "-o", "loop,errors=remount-ro", image)
	n.start()
	w.verdict()
}

// quiet returns an error while something is still to be written soon: only grants that last long are left, no request waits,
// and the tree has all that is logged.
func (w *world) quiet(n *node) error {
	grants, err := w.listUnended(n)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if !lastsLong(g) || g.State != client.GrantStateActive {
			return errNotYet
		}
	}
	if err := w.anyPending(n); err != nil {
		return err
	}
	ctx, cancel := contextFor(w)
	defer cancel()
	_, err = n.as(curfewdtest.Carol).GetCheckpointWithResponse(ctx) // which waits for that
	return err
}

// breakFileSystem makes the ext4 that is mounted on the folder believe that it is damaged.
func breakFileSystem(t *testing.T, folder string) {
	t.Helper()
	device := strings.TrimSpace(run(t, "findmnt", "--noheadings", "--output", "SOURCE", folder))
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("a test"), 0); err != nil {
		t.Fatal(err)
	}
}

// repair checks the file system; that it corrected something is as good as that there was nothing to correct.
func repair(t *testing.T, image string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "e2fsck", "-p", image).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatalf("e2fsck: %v: %s", err, out)
	}
}

// mount mounts something on the folder until the end of the test; see moveOut for who sees it.
func mount(t *testing.T, folder string, arguments ...string) {
	t.Helper()
	run(t, "mount", append(arguments, folder)...)
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", folder).Run() }) // it may be gone
}

// run runs a program and returns what it says.
func run(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", program, arguments, err, out)
	}
	return string(out)
}

// need finds a program, or has its Debian package installed.
func need(t *testing.T, program string, packages ...string) string {
	t.Helper()
	path, err := localpeer.NeedProgram(t.Context(), os.Stderr, program, packages...)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
