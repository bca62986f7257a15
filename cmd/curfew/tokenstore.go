package main

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	gokeyring "github.com/zalando/go-keyring"
)

const (
	// keystoreService names Curfew in the system's key store.
	keystoreService = "curfew"
	tokensFolder    = "tokens"
	// maxTokenFile bounds the file of a token, in bytes.
	maxTokenFile = 8 << 10
)

// keepToken keeps the token of a profile: in the system's key store where there is one, and else in a file that nobody else
// can read.
func (p *program) keepToken(one profile, token string) (profile, error) {
	kept := token + "\n" + one.URL
	if p.keystore() && gokeyring.Set(keystoreService, one.Name, kept) == nil {
		one.Keystore = true
		return one, p.dropTokenFile(one.Name)
	}
	one.Keystore = false
	folder, err := p.openFolder(tokensFolder)
	if err != nil {
		return one, err
	}
	defer folder.close()
	return one, folder.write(one.Name, []byte(kept))
}

// token is the token of a profile; empty where there is none any more, or it is another server's. That happens: another folder of
// profiles shares the key store, and a sign-in that broke off has kept a token and no profile.
func (p *program) token(one profile) (string, error) {
	kept, err := p.kept(one)
	token, server, _ := strings.Cut(kept, "\n")
	if err != nil || server != one.URL {
		return "", err
	}
	return token, nil
}

// kept is what keepToken has kept: a token, and in a line below the server that gave it.
func (p *program) kept(one profile) (string, error) {
	if one.Keystore {
		kept, err := gokeyring.Get(keystoreService, one.Name)
		if errors.Is(err, gokeyring.ErrNotFound) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("the system's key store does not give the token of %s: %w; unlock it, or run `curfew login` again", one.Name, err)
		}
		return kept, nil
	}
	folder, err := p.openFolder(tokensFolder)
	if err != nil {
		return "", err
	}
	defer folder.close()
	kept, err := folder.read(one.Name, maxTokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(kept), err
}

// dropToken forgets the token of a profile.
func (p *program) dropToken(one profile) error {
	if one.Keystore {
		if err := gokeyring.Delete(keystoreService, one.Name); err != nil && !errors.Is(err, gokeyring.ErrNotFound) {
			return fmt.Errorf("the system's key store does not forget the token of %s: %w", one.Name, err)
		}
	}
	return p.dropTokenFile(one.Name)
}

func (p *program) dropTokenFile(name string) error {
	folder, err := p.openFolder(tokensFolder)
	if err != nil {
		return err
	}
	defer folder.close()
	return folder.remove(name)
}

// keystore reports whether the system's key store is to be tried. On Linux it belongs to a desktop's session: without one, a
// message bus would be started to be asked in vain.
func (p *program) keystore() bool {
	if p.getenv("CURFEW_NO_KEYSTORE") != "" {
		return false
	}
	return runtime.GOOS != "linux" || p.getenv("DBUS_SESSION_BUS_ADDRESS") != ""
}
