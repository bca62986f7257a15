package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// keyring keeps the private keys to which credentials are sealed, one file per request, readable by nobody else. To lose
// one costs little: the next fetch makes the target issue a new credential, sealed to a new key.
type keyring struct{ *folder }

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

// openKeyring opens the keys of the user, and makes their folder where it is missing.
func (p *program) openKeyring() (*keyring, error) {
	f, err := p.openFolder("keys")
	if err != nil {
		return nil, err
	}
	return &keyring{folder: f}, nil
}

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
	return k.remove(file)
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
	content, err := k.folder.read(file, maxKeyFile)
	if err != nil {
		return heldKey{}, err
	}
	var held heldKey
	if err := json.Unmarshal(content, &held); err != nil {
		return heldKey{}, access.Errorf(access.KindMisconfigured, "the key file %s is damaged; remove it, and a new key is made", k.path(file))
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
	return k.folder.write(file, content)
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
