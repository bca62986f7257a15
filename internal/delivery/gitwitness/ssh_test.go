package gitwitness_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/delivery/gitwitness"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// sshKey makes a key, and returns its halves.
func sshKey(t *testing.T) (private, public string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	halves := [2]string{}
	for i, name := range []string{path, path + ".pub"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		halves[i] = strings.TrimSpace(string(text))
	}
	return halves[0], halves[1]
}

// TestOverSSH pushes by a real sshd. Only a server that known_hosts has is given anything, and only by the key that was named.
func TestOverSSH(t *testing.T) {
	b := newBare(t)
	private, public := sshKey(t)
	s, err := localpeer.StartSSH(t.Context(), localpeer.SSHOptions{AuthorizedKey: public, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	known, err := s.KnownHost()
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	another, anothers := sshKey(t)
	host, _, _ := strings.Cut(known, " ")
	// A name with all that a shell, ssh's configuration and its tokens give a meaning to.
	hosts := filepath.Join(t.TempDir(), `it's 100%h "known" hosts`)
	witness := func(key, line string) *gitwitness.Repository {
		t.Helper()
		if err := os.RemoveAll(hosts); err != nil {
			t.Fatal(err)
		}
		if line != "" {
			if err := os.WriteFile(hosts, []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return gitwitness.New(gitwitness.Options{
			Repository: "ssh://" + me.Username + "@" + s.Addr() + b.path, SSHKey: key, KnownHosts: hosts,
			Folder: filepath.Join(t.TempDir(), "it's 50%d of a folder"),
		})
	}
	for name, c := range map[string]struct{ key, line, says string }{
		"another server's key is known": {private, host + " " + anothers, "REMOTE HOST IDENTIFICATION HAS CHANGED"},
		"no server is known":            {private, "", "Host key verification failed"},
		"another server alone is known": {private, "elsewhere.example " + anothers, "Host key verification failed"},
		"a key that is not let in":      {another, known, "Permission denied"},
	} {
		if err := witness(c.key, c.line).Keep(t.Context(), sign(t, 1), nil); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: %v", name, err)
		}
		if refs := b.git("--git-dir", b.path, "for-each-ref"); refs != "" {
			t.Fatalf("%s, and something was pushed: %s", name, refs)
		}
	}
	before := ""
	for n := range int64(2) {
		previous := ""
		signed := sign(t, n+1)
		if err := witness(private, known).Keep(t.Context(), signed, func(p []byte) error { previous = string(p); return nil }); err != nil {
			t.Fatal(err)
		}
		if previous != before || b.file() != string(signed) {
			t.Errorf("before number %d: %q, want %q; now there is %q", n+1, previous, before, b.file())
		}
		before = string(signed)
	}
}
