package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// keyring keeps the private keys to which credentials are sealed, one file per request, readable by nobody else. To lose
// one costs little: the next fetch makes the target issue a new credential, sealed to a new key.
type keyring struct {
	folder string
	// root keeps names that come from the server inside the folder.
	root *os.Root
}

// heldKey is the content of a key file.
type heldKey struct {
	// Key is the private key.
	Key []byte `json:"key"`
	// Until is when no credential can be sealed to the key any more, and its file may go.
	Until time.Time `json:"until"`
}

const (
	// maxKeys bounds how many files prune looks at, and maxKeyFile one file, in bytes.
	maxKeys    = 10_000
	maxKeyFile = 4096
	// pendingPrefix begins the names of keys whose request is not known yet.
	pendingPrefix = "pending-"
	keySuffix     = ".json"
)

// openKeyring opens the folder CURFEW_STATE, or else curfew in XDG_STATE_HOME or in ~/.local/state, and makes it where it
// is missing. A folder that others can reach is refused.
func (p *program) openKeyring() (*keyring, error) {
	state := p.getenv("CURFEW_STATE")
	if state == "" {
		base := p.getenv("XDG_STATE_HOME")
		if base == "" {
			home := p.getenv("HOME")
			if home == "" {
				return nil, usagef("there is no place for keys: set CURFEW_STATE to a folder of yours")
			}
			base = filepath.Join(home, ".local", "state")
		}
		state = filepath.Join(base, "curfew")
	}
	folder := filepath.Join(state, "keys")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for keys: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the folder for keys: %w", err)
	}
	k := &keyring{folder: folder, root: root}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = usagef("others can reach your keys in %s; run: chmod 700 %s", folder, folder)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return k, nil
}

// close lets go of the folder, through which nothing is written that could fail late.
func (k *keyring) close() { _ = k.root.Close() }

// create makes a key for a request that has no name yet. It is on the disk when create returns, so that nothing that
// happens to the request's answer loses it.
func (k *keyring) create(until time.Time) (*secret.RecipientKey, error) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		return nil, err
	}
	return key, k.write(pendingName(key.Public()), key, until)
}

// adopt names a key that create made after its request.
func (k *keyring) adopt(key *secret.RecipientKey, request string, until time.Time) error {
	if err := k.write(request, key, until); err != nil {
		return err
	}
	return k.forget(pendingName(key.Public()))
}

// find returns the request's key, or nil. A key whose request never got an answer is known by its public half.
func (k *keyring) find(request string, recipient []byte) (*secret.RecipientKey, error) {
	for _, name := range []string{request, pendingName(recipient)} {
		held, err := k.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return secret.ParseRecipientKey(held.Key)
	}
	return nil, nil
}

// keep moves the end of a request's key, never to an earlier moment. A key that is not here is no error.
func (k *keyring) keep(request string, until time.Time) error {
	held, err := k.read(request)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !until.After(held.Until)) {
		return nil
	}
	if err != nil {
		return err
	}
	key, err := secret.ParseRecipientKey(held.Key)
	if err != nil {
		return err
	}
	return k.write(request, key, until)
}

// forget removes a key; a missing one is no error.
func (k *keyring) forget(name string) error {
	file, err := fileName(name)
	if err != nil {
		return err
	}
	if err := k.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a key: %w", err)
	}
	return nil
}

// prune removes keys to which nothing can be sealed any more.
func (k *keyring) prune(now time.Time) error {
	dir, err := k.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxKeys)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), keySuffix)
		if !ok {
			continue
		}
		// What cannot be read is left alone here; find says what is wrong with it.
		if held, err := k.read(name); err == nil && now.After(held.Until) {
			if err := k.forget(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *keyring) read(name string) (heldKey, error) {
	file, err := fileName(name)
	if err != nil {
		return heldKey{}, err
	}
	f, err := k.root.Open(file)
	if err != nil {
		return heldKey{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return heldKey{}, err
	}
	path := filepath.Join(k.folder, file)
	if info.Mode().Perm()&0o077 != 0 {
		return heldKey{}, usagef("others can read the key in %s; run: chmod 600 %s", path, path)
	}
	var held heldKey
	if err := json.NewDecoder(io.LimitReader(f, maxKeyFile)).Decode(&held); err != nil {
		return heldKey{}, access.Errorf(access.KindMisconfigured, "the key file %s is damaged; remove it, and a new key is made", path)
	}
	return held, nil
}

// write keeps a key durably, in place of an earlier one of that name.
func (k *keyring) write(name string, key *secret.RecipientKey, until time.Time) error {
	file, err := fileName(name)
	if err != nil {
		return err
	}
	private, err := key.Bytes()
	if err != nil {
		return err
	}
	content, err := json.Marshal(heldKey{Key: private, Until: until.UTC()})
	if err != nil {
		return err
	}
	temporary := file + ".new"
	f, err := k.root.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	if err := k.root.Rename(temporary, file); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	return nil
}

// pendingName names a key by the hash of its public half.
func pendingName(public []byte) string {
	sum := sha256.Sum256(public)
	return pendingPrefix + hex.EncodeToString(sum[:16])
}

// fileName is the file of a key. The name may come from the server.
func fileName(name string) (string, error) {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-'
	})
	if name == "" || len(name) > 64 || odd {
		return "", access.Errorf(access.KindUnavailable, "the server names a request in a way that Curfew does not")
	}
	return name + keySuffix, nil
}
