// Package localfile is the KeyWrapper whose key-encryption key lies in a file on this machine.
//
// It owns that file's form and its permissions. Whoever can read the file and the store can open what is sealed in the
// store; docs/keys.md says what that means, and a key service is the remedy.
package localfile

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew/internal/secret"
)

var _ secret.KeyWrapper = (*Wrapper)(nil)

// header is the first line of a key file.
const header = "curfew key-encryption key v1"

// Wrapper wraps data keys with AES-256-GCM under the key of the file.
type Wrapper struct {
	name string
	aead cipher.AEAD
}

// Create makes a new key file with mode 0600, durably. An existing file is an error that wraps fs.ErrExist.
func Create(path string) error {
	key := make([]byte, 32)
	rand.Read(key)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("creating the key file: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n", header, base64.StdEncoding.EncodeToString(key))
	clear(key)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(path)))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open reads a key file. A file that others than its owner may read or write is refused.
func Open(path string) (*Wrapper, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key file %s does not exist; without it nothing that is sealed in the store opens: restore it from where it is kept: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s has mode %04o, so that others than its owner can reach it: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 2 || lines[0] != header {
		return nil, fmt.Errorf("%s is not a key file: want the line %q and one line of base64", path, header)
	}
	key, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the key in %s is damaged: want 32 bytes of base64", path)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	fingerprint, err := hkdf.Expand(sha256.New, key, "curfew key file v1", fingerprintBytes)
	if err != nil {
		return nil, err
	}
	return &Wrapper{name: "file " + hex.EncodeToString(fingerprint), aead: aead}, nil
}

// fingerprintBytes is enough to tell a few files apart, and too little to learn anything of the key.
const fingerprintBytes = 4

// Name tells this key file from others by its contents, so that a copy elsewhere has the same.
func (w *Wrapper) Name() string { return w.name }

// Wrap implements secret.KeyWrapper.
func (w *Wrapper) Wrap(_ context.Context, id secret.KeyID, key []byte) ([]byte, error) {
	return w.aead.Seal(nil, nil, key, id.Bytes()), nil
}

// Unwrap implements secret.KeyWrapper.
func (w *Wrapper) Unwrap(_ context.Context, id secret.KeyID, wrapped []byte) ([]byte, error) {
	key, err := w.aead.Open(nil, nil, wrapped, id.Bytes())
	if err != nil {
		return nil, errors.New("the key file does not fit this store: it wraps another installation's keys, or the wrapped key was changed")
	}
	return key, nil
}
