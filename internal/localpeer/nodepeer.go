package localpeer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// nodePeer is a server in JavaScript. The folder testpeers/NAME of this repository has its program and pins, with their digests,
// the packages that it stands on.
type nodePeer struct{ name string }

// nodeFiles are what such a folder has.
func nodeFiles() []string { return []string{nodeMain, "package.json", nodeLock} }

const (
	nodeMain = "main.mjs"
	nodeLock = "package-lock.json"
)

// need finds what was installed from the folder as it is now, or installs it, and returns the command that runs it.
func (n nodePeer) need(ctx context.Context, progress io.Writer) (command []string, err error) {
	node, err := NeedProgram(ctx, progress, "node", "nodejs")
	if err != nil {
		return nil, err
	}
	source, err := peerSource(n.name, nodeLock)
	if err != nil {
		return nil, err
	}
	dir, err := builtDir(n.name, source, nodeFiles()...)
	if err != nil {
		return nil, err
	}
	command = []string{node, filepath.Join(dir, nodeMain)}
	if isFile(command[1]) {
		return command, nil
	}
	npm, err := NeedProgram(ctx, progress, "npm", "npm")
	if err != nil {
		return nil, err
	}
	lock, err := lockInstall(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	if isFile(command[1]) { // another process may have installed it while this one waited
		return command, nil
	}
	fmt.Fprintf(progress, "fetching %s with npm\n", n.name)
	return command, n.install(ctx, npm, source, dir)
}

// install leaves the folder complete or not there. None of the packages' scripts is run.
func (n nodePeer) install(ctx context.Context, npm, source, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	for _, name := range nodeFiles() {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci for testpeers/%s: %w: %s", n.name, err, tail(out))
	}
	return errors.Join(os.RemoveAll(dir), os.Rename(work, dir))
}
