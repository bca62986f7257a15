package main

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

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
	if p.keystore() && gokeyring.Set(keystoreService, one.Name, token) == nil {
		one.Keystore = true
		return one, p.dropTokenFile(one.Name)
	}
	one.Keystore = false
	folder, err := p.openFolder(tokensFolder)
	if err != nil {
		return one, err
	}
	defer folder.close()
	return one, folder.write(one.Name, []byte(token))
}

// token is the token of a profile; empty where there is none any more.
func (p *program) token(one profile) (string, error) {
	if one.Keystore {
		token, err := gokeyring.Get(keystoreService, one.Name)
		if errors.Is(err, gokeyring.ErrNotFound) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("the system's key store does not give the token of %s: %w; unlock it, or run `curfew login` again", one.Name, err)
		}
		return token, nil
	}
	folder, err := p.openFolder(tokensFolder)
	if err != nil {
		return "", err
	}
	defer folder.close()
	token, err := folder.read(one.Name, maxTokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(token), err
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
