package gitwitness_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/gitwitness"
	"github.com/curfewhq/curfew/internal/localpeer"
)

var _ delivery.Witness = (*gitwitness.Repository)(nil)

const origin = "curfew/i/default"

func sign(t testing.TB, n int64) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signed, err := audit.SignCheckpoint(audit.Checkpoint{Origin: origin, Tree: tlog.Tree{N: n}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// bare is a real repository, and what somebody sees who looks into it.
type bare struct {
	testing.TB
	path string
}

func newBare(t testing.TB) bare {
	t.Helper()
	if _, err := localpeer.NeedProgram(t.Context(), t.Output(), "git", "git"); err != nil {
		t.Fatal(err)
	}
	b := bare{t, filepath.Join(t.TempDir(), "witness.git")}
	b.git("init", "--quiet", "--bare", b.path)
	return b
}

func (b bare) git(args ...string) string {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), "git", args...).CombinedOutput()
	if err != nil {
		b.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (b bare) file() string {
	b.Helper()
	return b.git("--git-dir", b.path, "show", gitwitness.Branch+":"+origin+".checkpoint")
}

func (b bare) witness(address string) (*gitwitness.Repository, string) {
	folder := filepath.Join(b.TempDir(), "it's a folder")
	return gitwitness.New(gitwitness.Options{Repository: address, Folder: folder}), folder
}

func TestKeepsACommitForEachCheckpoint(t *testing.T) {
	b := newBare(t)
	for name, address := range map[string]string{"path": b.path, "git daemon": daemon(t, b.path)} {
		t.Run(name, func(t *testing.T) {
			b.git("--git-dir", b.path, "update-ref", "-d", "refs/heads/"+gitwitness.Branch)
			w, folder := b.witness(address)
			before := ""
			for n := range int64(3) {
				signed := sign(t, n+1)
				previous := ""
				if err := w.Keep(t.Context(), signed, func(p []byte) error { previous = string(p); return nil }); err != nil {
					t.Fatal(err)
				}
				if previous != before {
					t.Errorf("before number %d: %q, want %q", n+1, previous, before)
				}
				if before = string(signed); b.file() != before {
					t.Errorf("the repository has %q, want %q", b.file(), before)
				}
			}
			if log := b.git("--git-dir", b.path, "log", "--format=%s", gitwitness.Branch); log != "checkpoint of 3 entries\ncheckpoint of 2 entries\ncheckpoint of 1 entries\n" {
				t.Errorf("the history is %q", log)
			}
			refused := errors.New("refused")
			if err := w.Keep(t.Context(), sign(t, 4), func([]byte) error { return refused }); !errors.Is(err, refused) || b.file() != before {
				t.Errorf("got %v, and the repository has %q", err, b.file())
			}
			if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

// Other files of the branch stay, and commits of others are built upon.
func TestLeavesOtherFilesAlone(t *testing.T) {
	b := newBare(t)
	work := t.TempDir()
	b.git("clone", "--quiet", b.path, work)
	if err := os.WriteFile(filepath.Join(work, "README"), []byte("hands off"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.git("-C", work, "-c", "user.name=x", "-c", "user.email=x@localhost", "checkout", "--quiet", "-b", gitwitness.Branch)
	b.git("-C", work, "add", "README")
	b.git("-C", work, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "-m", "x")
	b.git("-C", work, "push", "--quiet", "origin", gitwitness.Branch)
	w, _ := b.witness(b.path)
	if err := w.Keep(t.Context(), sign(t, 1), nil); err != nil {
		t.Fatal(err)
	}
	if got := b.git("--git-dir", b.path, "show", gitwitness.Branch+":README"); got != "hands off" || b.file() != string(sign(t, 1)) {
		t.Errorf("%q, %q", got, b.file())
	}
}

// What anybody has configured for git on this machine is not looked at, and no program is run for it.
func TestUsesNoConfigurationOfTheMachine(t *testing.T) {
	b := newBare(t)
	home := t.TempDir()
	ran := filepath.Join(home, "ran")
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\n\tfsmonitor = touch "+ran+"\n[alias]\n\tpush = !touch "+ran+"\n[url \"/nowhere\"]\n\tinsteadOf = "+b.path+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_DIR", "/nowhere")
	t.Setenv("GIT_SSH_COMMAND", "touch "+ran)
	w, _ := b.witness(b.path)
	err := w.Keep(t.Context(), sign(t, 1), nil)
	if _, stat := os.Stat(ran); err != nil || stat == nil {
		t.Errorf("%v; the program was run: %t", err, stat == nil)
	}
	for _, address := range []string{"ext::touch " + ran, "ssh://127.0.0.1:1/x"} {
		w, _ := b.witness(address)
		if err := w.Keep(t.Context(), sign(t, 1), nil); err == nil {
			t.Errorf("%s is a repository", address)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program was run")
	}
}

func TestFailures(t *testing.T) {
	b := newBare(t)
	w, _ := b.witness(filepath.Join(t.TempDir(), "nowhere"))
	if err := w.Keep(t.Context(), sign(t, 1), nil); err == nil || !strings.Contains(err.Error(), "ls-remote") {
		t.Errorf("a repository that is not there: %v", err)
	}
	w, _ = b.witness("ssh://git@169.254.169.254/x")
	if err := w.Keep(t.Context(), sign(t, 1), nil); err == nil || !strings.Contains(err.Error(), "never dialled") {
		t.Errorf("the metadata service: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, _ = b.witness(b.path)
	if err := w.Keep(ctx, sign(t, 1), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
