package dev

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed demo.yaml
var demoConfig string

// people are the demo principals, by what they do.
func people() []string { return []string{"engineer", "reviewer", "admin"} }

// folder is where a dev server keeps everything.
type folder struct {
	path string
	// keep is set when the folder was named by the user.
	keep bool
	// tokens are the demo principals' bearer tokens.
	tokens map[string]string
}

// openFolder makes or reuses the folder. Others may pass through it, since PostgreSQL runs as another user; what is
// secret in it lies one level deeper.
func openFolder(data string) (*folder, error) {
	f := &folder{path: data, keep: data != "", tokens: map[string]string{}}
	var err error
	if f.keep {
		if f.path, err = filepath.Abs(data); err == nil {
			err = os.MkdirAll(f.path, 0o711)
		}
	} else if f.path, err = os.MkdirTemp("", "curfew-dev-"); err == nil {
		err = os.Chmod(f.path, 0o711)
	}
	if err != nil {
		return nil, fmt.Errorf("the folder of the demo: %w", err)
	}
	if err := os.MkdirAll(f.secrets(), 0o700); err != nil {
		return nil, err
	}
	for _, who := range people() {
		if f.tokens[who], err = f.secret(who + ".token"); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *folder) secrets() string { return filepath.Join(f.path, "secrets") }

// witness is the file that keeps the checkpoints of the audit log. A real one is on another machine.
func (f *folder) witness() string { return filepath.Join(f.path, "witness", "checkpoints") }

// secret reads a secret file, which is made at the first start.
func (f *folder) secret(name string) (string, error) {
	path := filepath.Join(f.secrets(), name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		random := make([]byte, 32)
		rand.Read(random)
		b = []byte(base64.RawURLEncoding.EncodeToString(random))
		err = os.WriteFile(path, b, 0o600)
	}
	return string(b), err
}

// write keeps a secret that is made anew at each start.
func (f *folder) write(name, value string) error {
	return os.WriteFile(filepath.Join(f.secrets(), name), []byte(value), 0o600)
}

// config writes the demo configuration, unless the user already has one there, and returns its path: the folder's, in which
// other targets have files of their own.
func (f *folder) config(listen string) (string, error) {
	const name = "curfew.yaml"
	if _, err := os.Stat(filepath.Join(f.path, name)); err == nil {
		return f.path, nil
	}
	if err := os.MkdirAll(filepath.Dir(f.witness()), 0o700); err != nil {
		return "", err
	}
	return f.path, f.configure(name, demoConfig, struct{ Listen, Secrets, Witness string }{listen, f.secrets(), f.witness()})
}

// configure writes a file of the configuration from its template.
func (f *folder) configure(name, text string, data any) error {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.path, name), b.Bytes(), 0o600)
}

// remove deletes the folder if dev made it.
func (f *folder) remove() error {
	if f.keep {
		return nil
	}
	return os.RemoveAll(f.path)
}
