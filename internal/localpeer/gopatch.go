package localpeer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// goPatch builds a main package of another module, with files added that its makers generate.
type goPatch struct {
	// module is patched; main is the package in it that is built.
	module, main string
	// files are added, by their paths in the module.
	files map[string]string
}

// apply copies the module into the folder work, adds the files, and returns a go.mod by which a build takes the copy.
func (p goPatch) apply(ctx context.Context, compiler, source, work string) (modfile string, err error) {
	modfile = filepath.Join(work, "go.mod")
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(work, name), text, 0o600); err != nil {
			return "", err
		}
	}
	dir, err := downloaded(ctx, compiler, source, p.module)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(work, "patched")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		return "", err
	}
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(copied, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	_, err = run(ctx, source, compiler, "mod", "edit", "-replace="+p.module+"="+copied, modfile)
	return modfile, err
}

// run runs a program in a folder. Its error holds the end of what it said.
func run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, tail(exit.Stderr))
	}
	return nil, fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err)
}

// ModuleDir is the folder of a module that testpeers/NAME pins, fetched if need be: for what a module holds beside its code.
func ModuleDir(ctx context.Context, name, module string) (string, error) {
	source, err := goPeer{name: name, program: name}.source()
	if err != nil {
		return "", err
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		return "", errors.Join(fmt.Errorf("the module %s must be fetched: install Go", module), err)
	}
	return downloaded(ctx, compiler, source, module)
}

// downloaded fetches a module, checked against the go.sum in the folder source.
func downloaded(ctx context.Context, compiler, source, module string) (dir string, err error) {
	out, err := run(ctx, source, compiler, "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return found.Dir, nil
}
