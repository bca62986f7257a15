package journey

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// openKeyStore starts what keeps secrets on a Linux desktop, unlocked, on a message bus of its own.
func (h *house) openKeyStore() {
	h.Helper()
	programs := map[string]string{}
	for program, of := range map[string]string{"dbus-daemon": "dbus-daemon", "dbus-send": "dbus-bin", "gnome-keyring-daemon": "gnome-keyring"} {
		path, err := localpeer.NeedProgram(h.Context(), h.Output(), program, of)
		if err != nil {
			h.Fatal(err)
		}
		programs[program] = path
	}
	runtime := h.TempDir()
	run := func(program string, args ...string) *process {
		cmd := h.command("desktop", "curfew")
		cmd.Path, cmd.Args = programs[program], append([]string{program}, args...)
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+runtime)
		cmd.Stdin = strings.NewReader("the login password\n")
		return h.start(cmd)
	}
	address := run("dbus-daemon", "--session", "--nofork", "--print-address=1", "--address=unix:path="+filepath.Join(runtime, "bus")).await(`(unix:path=\S+)\n`)
	h.env = append(h.env, "DBUS_SESSION_BUS_ADDRESS="+address)
	run("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	ctx, cancel := context.WithTimeout(h.Context(), programLimit)
	defer cancel()
	for there := false; !there; {
		names, err := exec.CommandContext(ctx, programs["dbus-send"], "--bus="+address, "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames").Output()
		if err != nil {
			h.Fatalf("the key store does not come to the bus: %v", err)
		}
		there = strings.Contains(string(names), "org.freedesktop.secrets")
	}
}

// A token goes to the system's key store where there is one, and into no file.
func TestKeyStore(t *testing.T) {
	h := newHouse(t)
	h.openKeyStore()
	h.serve("")
	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	h.must("alice", "whoami")
	home := filepath.Join(h.folder, "home", "alice")
	err := filepath.WalkDir(home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "cft_") {
			t.Errorf("%s has the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Another user of the machine, to whom no bus leads, has no part in it.
	bus := h.env
	h.env = bus[:len(bus)-1]
	if _, said, code := h.curfew("alice", "whoami"); code == 0 || !strings.Contains(said, "key store") {
		t.Errorf("without the key store whoami exits with %d and says %s", code, said)
	}
	h.env = bus
	h.must("alice", "logout")
	if _, said, code := h.curfew("alice", "whoami"); code != 3 {
		t.Errorf("after signing out whoami exits with %d and says %s", code, said)
	}
}
