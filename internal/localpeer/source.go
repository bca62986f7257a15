package localpeer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// peerSource is the folder testpeers/NAME of this repository, in which the file is, above which the working directory stands.
func peerSource(name, file string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "testpeers", name)
		if isFile(filepath.Join(source, file)) {
			return source, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s has not been built on this machine, and its source testpeers/%s is not at hand; run the tests in a checkout of Curfew first", name, name)
		}
		dir = parent
	}
}

// builtDir is where what is made of these files, as they are now, is kept.
func builtDir(name, source string, files ...string) (string, error) {
	digest := sha256.New()
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(digest, "%s %d\n%s", file, len(text), text)
	}
	dir, err := peersDir()
	return filepath.Join(dir, name+"-"+hex.EncodeToString(digest.Sum(nil)[:6])), err
}
