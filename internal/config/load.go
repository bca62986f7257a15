package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Bounds of what is read.
const (
	maxFileBytes  = 1 << 20
	maxTotalBytes = 8 << 20
	maxFiles      = 100
)

// Options say what a reading may rely on.
type Options struct {
	// Types are the connector types that a configuration may name.
	Types []connector.Type
	// ResolveSecrets makes it a mistake when a secret cannot be fetched, or when two principals have the same token.
	// A server sets it; whoever only checks a file on another machine does not have the secrets.
	ResolveSecrets bool
}

// Load reads the configuration at path: a file, or a folder whose *.yaml files are read in the order of their names
// and make one configuration together. Relative paths inside it are relative to the folder it stands in.
//
// It returns *Errors when the text was read and is wrong, and an *access.Error of KindMisconfigured when there is
// nothing to read or too much. It touches no target and changes nothing.
func Load(path string, opts Options) (*Config, error) {
	text, err := readAll(path)
	if err != nil {
		return nil, access.Wrap(access.KindMisconfigured, err, "the configuration cannot be read")
	}
	return load(text, opts)
}

// load is Load behind the file system.
func load(text Text, opts Options) (*Config, error) {
	c := &collector{}
	root := text.root(c, func(f File) string { return f.path })
	if root == nil {
		return nil, c.err()
	}
	cfg, err := assemble(root, c, opts)
	if err != nil {
		return nil, err
	}
	cfg.Text = text
	return cfg, nil
}

// assemble makes a configuration of all that is written.
func assemble(root *node, c *collector, opts Options) (*Config, error) {
	sum := digest(root)
	a := &assembly{decoder: &decoder{c: c}, root: root, types: opts.Types}
	a.decode(a.root, reflect.ValueOf(&a.written).Elem(), "")
	if root.partial {
		// What the unreadable file would say is not known, so nothing that seems missing is worth a mistake.
		return nil, c.err()
	}
	cfg := a.assemble()
	if opts.ResolveSecrets {
		a.resolveSecrets(a.root)
		a.checkStore(cfg.Store)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	cfg.Digest = sum
	return cfg, nil
}

// readAll reads the file, or the files of the folder.
func readAll(path string) (Text, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Text{}, err
	}
	if !info.IsDir() {
		content, err := readBounded(path, maxFileBytes)
		return Text{Folder: filepath.Dir(path), Files: []File{{Name: filepath.Base(path), Content: content, path: path}}}, err
	}
	names, err := yamlNames(path)
	if err != nil {
		return Text{}, err
	}
	text := Text{Folder: path}
	total := 0
	for _, name := range names {
		full := filepath.Join(path, name)
		content, err := readBounded(full, maxFileBytes)
		if err != nil {
			return Text{}, err
		}
		if total += len(content); total > maxTotalBytes {
			return Text{}, fmt.Errorf("%s: the files have more than %d bytes together", path, maxTotalBytes)
		}
		text.Files = append(text.Files, File{Name: name, Content: content, path: full})
	}
	return text, nil
}

// yamlNames lists the files of a folder that belong to the configuration, in order. Hidden files and folders are left
// alone: editors and mounted volumes keep theirs there.
func yamlNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() || strings.HasPrefix(name, "."):
		case strings.HasSuffix(name, ".yml"):
			// Passing over it could pass over a policy that denies.
			return nil, fmt.Errorf("%s: only *.yaml is read; rename it to .yaml, or away", filepath.Join(dir, name))
		case strings.HasSuffix(name, ".yaml"):
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s: the folder has no *.yaml file", dir)
	case len(names) > maxFiles:
		return nil, fmt.Errorf("%s: the folder has %d *.yaml files; at most %d are read", dir, len(names), maxFiles)
	}
	return names, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return "", err
	case int64(len(content)) > limit:
		return "", fmt.Errorf("%s: the file has more than %d bytes; split it into a folder of *.yaml files", path, limit)
	}
	return string(content), nil
}
