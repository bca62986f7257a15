package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/access"
)

// folder is a folder of the user's that nobody else can reach. Names stay inside it, wherever they come from.
type folder struct {
	name string
	root *os.Root
}

// openFolder opens the folder CURFEW_STATE, or else curfew in XDG_STATE_HOME or in ~/.local/state, or a folder in that, and
// makes it where it is missing. One that others can reach is refused.
func (p *program) openFolder(sub string) (*folder, error) {
	state := p.getenv("CURFEW_STATE")
	if state == "" {
		base := p.getenv("XDG_STATE_HOME")
		if base == "" {
			home := p.getenv("HOME")
			if home == "" {
				return nil, usagef("there is no place for keys and tokens: set CURFEW_STATE to a folder of yours")
			}
			base = filepath.Join(home, ".local", "state")
		}
		state = filepath.Join(base, "curfew")
	}
	name := filepath.Join(state, sub)
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for keys and tokens: %w", err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("opening the folder for keys and tokens: %w", err)
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = usagef("others can reach your keys and tokens in %s; run: chmod 700 %s", name, name)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &folder{name: name, root: root}, nil
}

// close lets go of the folder, through which nothing is written that could fail late.
func (f *folder) close() { _ = f.root.Close() }

// path is where a file of it is, for messages.
func (f *folder) path(file string) string { return filepath.Join(f.name, file) }

// read reads a file of at most so many bytes that nobody else can read; fs.ErrNotExist where there is none.
func (f *folder) read(file string, most int64) ([]byte, error) {
	opened, err := f.root.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, usagef("others can read %s; run: chmod 600 %[1]s", f.path(file))
	}
	content, err := io.ReadAll(io.LimitReader(opened, most+1))
	if err == nil && int64(len(content)) > most {
		err = access.Errorf(access.KindMisconfigured, "the file %s is too long", f.path(file))
	}
	return content, err
}

// write keeps a file durably, in place of an earlier one of that name.
func (f *folder) write(file string, content []byte) error {
	temporary := "." + file + ".new" // no name of ours begins with a dot
	opened, err := f.root.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.path(file), err)
	}
	_, err = opened.Write(content)
	if err := errors.Join(err, opened.Sync(), opened.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", f.path(file), err)
	}
	if err := f.root.Rename(temporary, file); err != nil {
		return fmt.Errorf("writing %s: %w", f.path(file), err)
	}
	return nil
}

// remove removes a file; a missing one is no error.
func (f *folder) remove(file string) error {
	if err := f.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", f.path(file), err)
	}
	return nil
}
