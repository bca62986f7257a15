// Package gitwitness keeps the newest checkpoint in a Git repository, in a file named by the log, with a commit for each: the
// history of the repository is what was kept.
//
// It owns how the git program is called: with nothing of the machine's or anybody's configuration, no prompts, no other
// transports than it names, and no secret among the arguments. It does not own when a checkpoint is kept, nor the proof that it
// belongs there (package delivery).
package gitwitness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/outbound"
)

// Branch is where the commits are. It is made by the first.
const Branch = "curfew-checkpoints"

// fetched is what the branch is called here.
const fetched = "refs/curfew/fetched"

// Options name a repository.
type Options struct {
	// Repository is a path, or an address as git knows it; package config has checked its form.
	Repository string
	// SSHKey is the private key to reach it with, and KnownHosts the file of the servers to believe; both may be empty.
	SSHKey     string
	KnownHosts string
	// Folder is what each attempt works in. It is made anew each time, and removed.
	Folder string
}

// Repository is a witness.
type Repository struct{ options Options }

// New makes a witness of a repository.
func New(o Options) *Repository { return &Repository{options: o} }

// Keep implements delivery.Witness. The branch moves forward only: were somebody else's commit there meanwhile, the push is
// refused, and the next attempt goes on behind it.
func (r *Repository) Keep(ctx context.Context, signed []byte, extends func(previous []byte) error) (err error) {
	if err := r.reachable(ctx); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.options.Folder), os.MkdirAll(r.options.Folder, 0o700)); err != nil {
		return fmt.Errorf("the folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.options.Folder)) }()
	g, err := r.prepare(ctx)
	if err != nil {
		return err
	}
	newest, err := audit.ReadCheckpoint(signed)
	if err != nil {
		return err
	}
	file := newest.Origin + ".checkpoint"
	parent, err := g.fetch()
	if err != nil {
		return err
	}
	if parent != "" {
		previous, there, err := g.read(file)
		if err != nil {
			return err
		}
		if there {
			if err := extends(previous); err != nil {
				return err
			}
		}
	}
	commit, err := g.commit(parent, file, signed, fmt.Sprintf("checkpoint of %d entries", newest.Tree.N))
	if err != nil {
		return err
	}
	_, err = g.run(nil, "push", "--quiet", "--", r.options.Repository, commit+":refs/heads/"+Branch)
	return err
}

// reachable looks at the addresses of the server, before git dials them.
func (r *Repository) reachable(ctx context.Context) error {
	if !strings.Contains(r.options.Repository, "://") {
		return nil // a path
	}
	u, err := url.Parse(r.options.Repository)
	if err != nil {
		return errors.New("the address of the repository cannot be read")
	}
	reach := outbound.Anywhere
	if u.Scheme == "git" || u.Scheme == "http" {
		reach = outbound.Loopback
	}
	return reach.CheckHost(ctx, u.Hostname())
}

// prepare makes an empty repository to work in.
func (r *Repository) prepare(ctx context.Context) (*git, error) {
	g := &git{ctx: ctx, folder: r.options.Folder, repository: r.options.Repository}
	g.env = append(environment(r.options.Folder), "GIT_SSH_COMMAND="+r.ssh())
	if r.options.SSHKey != "" {
		key := strings.TrimRight(r.options.SSHKey, "\n") + "\n" // ssh wants the line break that a reference leaves out
		if err := os.WriteFile(r.keyFile(), []byte(key), 0o600); err != nil {
			return nil, fmt.Errorf("the SSH key: %w", err)
		}
	}
	_, err := g.run(nil, "init", "--quiet", "--bare", "--", g.gitDir())
	return g, err
}

func (r *Repository) keyFile() string { return filepath.Join(r.options.Folder, "ssh_key") }

// ssh is the command that git has a shell run.
func (r *Repository) ssh() string {
	words := []string{"ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=yes"}
	if r.options.KnownHosts != "" {
		words = append(words, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UserKnownHostsFile="+quoted(r.options.KnownHosts))
	}
	if r.options.SSHKey != "" {
		words = append(words, "-o", "IdentitiesOnly=yes", "-o", "IdentityFile="+quoted(r.keyFile()))
	}
	for i, word := range words {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// quoted is a path as ssh takes it for an option: it splits what has spaces, and puts something else in the place of what
// begins with a percent sign.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(path) + `"`
}

// environment is all that git is given of the process's: no configuration but its own, no prompt, and few transports.
func environment(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true",
		"GIT_ALLOW_PROTOCOL=file:git:http:https:ssh",
		"GIT_AUTHOR_NAME=Curfew", "GIT_AUTHOR_EMAIL=curfew@localhost", "GIT_COMMITTER_NAME=Curfew", "GIT_COMMITTER_EMAIL=curfew@localhost",
	}
}

// fetch gets the newest commit of the branch; empty while there is none.
func (g *git) fetch() (commit string, err error) {
	const branch = "refs/heads/" + Branch
	listed, err := g.run(nil, "ls-remote", "--quiet", "--", g.repository, branch)
	if err != nil || len(bytes.TrimSpace(listed)) == 0 {
		return "", err
	}
	if _, err := g.run(nil, "fetch", "--quiet", "--depth=1", "--no-tags", "--", g.repository, "+"+branch+":"+fetched); err != nil {
		return "", err
	}
	name, err := g.run(nil, "rev-parse", "--verify", "--end-of-options", fetched)
	return string(bytes.TrimSpace(name)), err
}

// read reads a file of the newest commit.
func (g *git) read(file string) (content []byte, there bool, err error) {
	listed, err := g.run(nil, "ls-tree", "--name-only", fetched, "--", file)
	if err != nil || len(bytes.TrimSpace(listed)) == 0 {
		return nil, false, err
	}
	content, err = g.run(nil, "cat-file", "blob", fetched+":"+file)
	return content, err == nil, err
}

// commit makes a commit in which the file has a new content, and everything else is as it was.
func (g *git) commit(parent, file string, content []byte, message string) (string, error) {
	blob, err := g.run(content, "hash-object", "-w", "--stdin")
	if err != nil {
		return "", err
	}
	if parent != "" {
		if _, err := g.run(nil, "read-tree", fetched); err != nil {
			return "", err
		}
	}
	if _, err := g.run(nil, "update-index", "--add", "--cacheinfo", "100644,"+string(bytes.TrimSpace(blob))+","+file); err != nil {
		return "", err
	}
	tree, err := g.run(nil, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", "-m", message}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	commit, err := g.run(nil, append(args, string(bytes.TrimSpace(tree)))...)
	return string(bytes.TrimSpace(commit)), err
}
