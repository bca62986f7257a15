package localpeer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	tempPrefix = "curfew-peer-"
	ownerLock  = "owner.lock"
	clusterDir = "cluster"
)

// folder is where one server keeps everything. Its lock is held by the process that started the server.
type folder struct {
	path string
	// keep: the folder outlives the server.
	keep bool
	lock fileLock
}

// openFolder makes or takes a folder that the account may write, and locks it. Without a path it is a temporary one. Those that
// others have left behind go first.
func openFolder(path string, as *syscall.Credential) (*folder, error) {
	sweep(as)
	f, err := lockedFolder(path)
	if err != nil {
		return nil, fmt.Errorf("a folder for a server: %w", err)
	}
	if err := give(f.path, as); err != nil {
		return nil, errors.Join(fmt.Errorf("give %s to the account of the server: %w", f.path, err), f.close())
	}
	return f, nil
}

func lockedFolder(path string) (*folder, error) {
	if path == "" {
		return lockedTempFolder()
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := tryLock(filepath.Join(path, ownerLock))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &folder{path: path, keep: true, lock: lock}, nil
}

func lockedTempFolder() (*folder, error) {
	for {
		path, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := tryLock(filepath.Join(path, ownerLock))
		switch {
		case err == nil && lock.inPlace():
			return &folder{path: path, lock: lock}, nil
		case err == nil:
			// Somebody's sweep was faster than our lock, and has removed the folder.
			lock.unlock()
		case errors.Is(err, errLocked):
			// It is removing the folder.
		default:
			return nil, errors.Join(err, os.RemoveAll(path))
		}
	}
}

// close removes a temporary folder, and lets go of one that is kept.
func (f *folder) close() error {
	defer f.lock.unlock()
	if f.keep {
		return nil
	}
	return os.RemoveAll(f.path)
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// sweep removes the temporary folders of starters that were killed before they could do it. Their servers die with
// them, and the kernel let go of their locks.
func sweep(as *syscall.Credential) {
	stale, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*", ownerLock)) // the pattern is constant
	for _, path := range stale {
		dir := filepath.Dir(path)
		if !ours(dir, as) {
			continue
		}
		lock, err := tryLock(path)
		if err != nil {
			continue
		}
		// The cluster goes first: as long as it is there, the lock's file is, and a later sweep finds the rest.
		if os.RemoveAll(filepath.Join(dir, clusterDir)) == nil {
			_ = os.RemoveAll(dir)
		}
		lock.unlock()
	}
}

// ours reports whether the path is a folder that a server of ours may have left: in a folder that everybody can write,
// names prove nothing.
func ours(dir string, as *syscall.Credential) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == uint32(os.Geteuid()) || (as != nil && stat.Uid == as.Uid))
}
