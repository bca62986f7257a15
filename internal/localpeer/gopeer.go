package localpeer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// goPeer is a server that no package brings, so that it is built from source, once. The module testpeers/NAME of this
// repository pins it with all that it is made of; its folder holds the main package, or a patch says which one to take.
type goPeer struct {
	// name is the folder's below testpeers, and program that of what is built.
	name, program string
	// patch is nil for a main package of our own.
	patch *goPatch
}

// progressEvery is how often somebody who waits for a build is told that it goes on.
const progressEvery = 20 * time.Second

// built finds what an earlier run has built, of whatever version; it needs no source.
func (g goPeer) built() (path string, ok bool) {
	dir, err := peersDir()
	if err != nil {
		return "", false
	}
	found, _ := filepath.Glob(filepath.Join(dir, g.name+"-*", g.program)) // names are constant
	var newest time.Time
	for _, candidate := range found {
		if info, err := os.Stat(candidate); err == nil && info.ModTime().After(newest) {
			path, newest = candidate, info.ModTime()
		}
	}
	return path, path != ""
}

// need finds what was built from the module as it is now, or builds it.
func (g goPeer) need(ctx context.Context, progress io.Writer) (string, error) {
	source, err := g.source()
	if err != nil {
		return "", err
	}
	path, err := g.path(source)
	if err != nil {
		return "", err
	}
	if isFile(path) {
		return path, nil
	}
	lock, err := lockInstall(ctx)
	if err != nil {
		return "", err
	}
	defer lock.unlock()
	if isFile(path) { // another process may have built it while this one waited
		return path, nil
	}
	return path, g.build(ctx, source, path, progress)
}

// source is the folder of the module.
func (g goPeer) source() (string, error) { return peerSource(g.name, "go.sum") }

// path is where the program is kept that is built from the module as it is now.
func (g goPeer) path(source string) (string, error) {
	names := []string{"go.mod", "go.sum"}
	if g.patch == nil {
		names = append(names, "main.go")
	}
	dir, err := builtDir(g.name, source, names...)
	return filepath.Join(dir, g.program), err
}

// build leaves the program complete or not there.
func (g goPeer) build(ctx context.Context, source, path string, progress io.Writer) error {
	compiler, err := exec.LookPath("go")
	if err != nil {
		return errors.Join(fmt.Errorf("%s must be built from source: install Go", g.program), err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's account reads here
		return err
	}
	fmt.Fprintf(progress, "building %s from source; this takes minutes, and is done once\n", g.program)
	unfinished := path + ".unfinished"
	args := []string{"build", "-trimpath", "-o", unfinished, "."}
	if g.patch != nil {
		work, err := os.MkdirTemp("", "curfew-build-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(work) }()
		modfile, err := g.patch.apply(ctx, compiler, source, work)
		if err != nil {
			return fmt.Errorf("patch %s: %w", g.program, err)
		}
		args = []string{"build", "-trimpath", "-mod=mod", "-modfile=" + modfile, "-o", unfinished, g.patch.main}
	}
	cmd := exec.CommandContext(ctx, compiler, args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	done := make(chan struct{})
	go keepTelling(done, progress, g.program)
	out, err := cmd.CombinedOutput()
	close(done)
	if err != nil {
		return errors.Join(fmt.Errorf("build %s: %w: %s", g.program, err, tail(out)), os.RemoveAll(unfinished))
	}
	return os.Rename(unfinished, path)
}

// keepTelling says that a build goes on, until it is done.
func keepTelling(done <-chan struct{}, progress io.Writer, what string) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-done:
			return
		case <-tick.C:
			fmt.Fprintf(progress, "still building %s after %.0f s\n", what, time.Since(began).Seconds())
		}
	}
}
