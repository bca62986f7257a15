package sqlstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/access"
)

// applicationID says what an SQLite file is; it stands at offset 68 (https://sqlite.org/fileformat.html).
type applicationID uint32

const (
	// storeID is "CRFW", and backupID "CRFB", so that no backup is opened for a store: one that was restored is treated as
	// such.
	storeID  applicationID = 0x43524657
	backupID applicationID = 0x43524642
)

// String is what people call such a file.
func (id applicationID) String() string {
	if id == backupID {
		return "backup"
	}
	return "store"
}

// sqliteFile is a store's file, checked and locked.
type sqliteFile struct {
	// path is absolute.
	path string
	// lock is nil for a file that another process has locked.
	lock *os.File
	turn *turn
}

// openSQLiteFile checks the folder, takes the lock, and checks or makes the file. Until all of that is done the file is
// only read, so that somebody else's database is left as it was.
func openSQLiteFile(path string) (_ *sqliteFile, err error) {
	path, err = resolve(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	f := &sqliteFile{path: path, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.turn, err = openTurn(path+".turn", false); err != nil {
		return nil, err
	}
	created, err := createFile(path)
	if err != nil || created {
		return f, err
	}
	return f, checkFile(path, storeID)
}

// openSQLiteFileBeside checks a file that another process has locked.
func openSQLiteFileBeside(path string) (*sqliteFile, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, storeID); err != nil {
		return nil, err
	}
	turn, err := openTurn(path+".turn", true)
	return &sqliteFile{path: path, turn: turn}, err
}

// synced fails when the disk has become one that keeps nothing; see writer. Beside another process it is that one's to find out.
func (f *sqliteFile) synced() error {
	if f.lock == nil {
		return nil
	}
	return synced(f.lock)
}

// close gives the lock back; the lock's file stays, because removing it could pull it from under the next holder.
func (f *sqliteFile) close() error {
	var errs []error
	if f.turn != nil {
		errs = append(errs, f.turn.close())
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Close())
	}
	return errors.Join(errs...)
}

// resolve makes the path absolute and its folder free of symbolic links, so that one file has one lock, and checks the
// folder.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", access.Wrap(access.KindMisconfigured, err, "the path of the store cannot be made absolute")
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", noFolder(filepath.Dir(path), err)
	}
	return filepath.Join(folder, filepath.Base(path)), checkFolder(folder)
}

func noFolder(folder string, err error) error {
	return access.Wrap(access.KindMisconfigured, err,
		fmt.Sprintf("the folder %q of the store cannot be used: create it, owned by this account", folder))
}

func checkFolder(folder string) error {
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return noFolder(folder, err)
	case !info.IsDir():
		return access.Errorf(access.KindMisconfigured, "%q, where the store should be, is not a folder", folder)
	case info.Mode().Perm()&0o002 != 0:
		return access.Errorf(access.KindMisconfigured,
			"everybody may write in the folder %q of the store: give the store a folder of its own, mode 0700", folder)
	}
	return nil
}

// createFile makes an empty file and its directory entry durable; it reports false where there is a file.
func createFile(path string) (created bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("the store %q cannot be created", path))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return false, errors.Join(err, file.Close())
	}
	return true, errors.Join(file.Close(), folder.Sync(), folder.Close())
}

// checkFile refuses a file that others may read, and one that is not what is wanted.
func checkFile(path string, want applicationID) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return unreadable(want, path, err)
	case !info.Mode().IsRegular():
		return access.Errorf(access.KindMisconfigured,
			"the %s %q is not a regular file: name the file itself, not a link to it", want, path)
	case info.Mode().Perm()&0o077 != 0:
		return access.Errorf(access.KindMisconfigured,
			"the %s %q has mode %04o, so others can read or write it: chmod 600", want, path, info.Mode().Perm())
	}
	file, err := os.Open(path)
	if err != nil {
		return unreadable(want, path, err)
	}
	defer func() { _ = file.Close() }()
	return checkHeader(path, file, want)
}

func unreadable(what applicationID, path string, err error) error {
	return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("the %s %q cannot be read", what, path))
}

// checkHeader accepts an empty file, which a process left that was killed while it made the store, and one that is what is wanted.
func checkHeader(path string, file io.Reader, want applicationID) error {
	const magic = "SQLite format 3\x00"
	header := make([]byte, 100)
	n, err := io.ReadFull(file, header)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return unreadable(want, path, err)
	case err != nil || string(header[:len(magic)]) != magic:
		return access.Errorf(access.KindMisconfigured,
			"%q is not an SQLite database: name another file, or restore this one from a backup", path)
	}
	switch id := applicationID(binary.BigEndian.Uint32(header[68:])); id {
	case want:
		return nil
	case backupID:
		return access.Errorf(access.KindMisconfigured,
			"%q is a backup of a store: curfewd restore makes a store of it", path)
	case storeID:
		return access.Errorf(access.KindMisconfigured,
			"%q is a store and no backup: curfewd backup makes one of it", path)
	default:
		return access.Errorf(access.KindMisconfigured,
			"%q is an SQLite database of another program (application ID %#08x): name another file", path, uint32(id))
	}
}
