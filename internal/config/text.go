package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Text is what a configuration was read from, so that it can be kept and read again.
type Text struct {
	// Folder is where relative paths begin. It is that of this machine, and not kept.
	Folder string
	// Files are in the order in which they are read.
	Files []File
}

// File is one file of a configuration.
type File struct {
	Name, Content string
	// path is where it was read, as the caller would type it.
	path string
}

// keptFile is a file as it is kept. Bytes take a third more in JSON, and text could take twice as much.
type keptFile struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// Keep writes the text for ReadKept.
func (t Text) Keep() ([]byte, error) {
	files := make([]keptFile, len(t.Files))
	for i, f := range t.Files {
		files[i] = keptFile{f.Name, []byte(f.Content)}
	}
	return json.Marshal(files)
}

// ReadKept reads what Keep wrote.
func ReadKept(kept []byte) (Text, error) {
	var files []keptFile
	if err := json.Unmarshal(kept, &files); err != nil {
		return Text{}, fmt.Errorf("the text of a configuration that was kept: %w", err)
	}
	var t Text
	for _, f := range files {
		t.Files = append(t.Files, File{Name: f.Name, Content: string(f.Content)})
	}
	return t, nil
}

// local are the sections that are each machine's own: where it listens, what opens its keys, where its books are. They are no
// part of a version of the configuration.
func local() []string { return []string{"server", "store"} }

// LoadKept reads a configuration that was kept, as it would be here: its sections server and store are those of the
// configuration on this machine, in whose folder relative paths begin.
//
// It returns *Errors when the text cannot be read any more; a secret may be gone.
func LoadKept(kept Text, here *Config, opts Options) (*Config, error) {
	c := &collector{}
	root := here.Text.root(c, func(f File) string { return f.path })
	old := kept.in(here.Text.Folder).root(c, func(f File) string { return f.Name + " (as kept in the store)" })
	if err := c.err(); err != nil {
		return nil, err
	}
	machine := func(e entry) bool { return slices.Contains(local(), e.key.text) }
	others := func(e entry) bool { return !machine(e) }
	root.entries = append(slices.DeleteFunc(root.entries, others), slices.DeleteFunc(old.entries, machine)...)
	cfg, err := assemble(root, c, opts)
	if err != nil {
		return nil, err
	}
	cfg.Text = kept.in(here.Text.Folder)
	cfg.Server, cfg.Store = here.Server, here.Store
	return cfg, nil
}

// in is the text as if it stood in a folder.
func (t Text) in(folder string) Text {
	t.Folder = folder
	return t
}

// root reads the files and puts them together; nil when one of them has no tree.
func (t Text) root(c *collector, shown func(File) string) *node {
	roots := make([]*node, 0, len(t.Files))
	for i, f := range t.Files {
		content := strings.ReplaceAll(f.Content, "\r\n", "\n")
		if root := parse(newSource(shown(f), t.Folder, i, content), content, c); root != nil {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return nil
	}
	root := merge(roots, c)
	root.partial = len(roots) < len(t.Files)
	return root
}

// digest tells what a configuration says from whatever else it could say. How it is laid out, and what it says of the machine,
// makes no difference.
func digest(root *node) string {
	sum := sha256.New()
	for _, e := range root.entries {
		if !slices.Contains(local(), e.key.text) {
			digestNode(sum, e.key)
			digestNode(sum, e.value)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// digestNode adds a node with the lengths of all that it has, so that no two trees have one digest.
func digestNode(to hash.Hash, n *node) {
	fmt.Fprintf(to, "%s %d %d %d %s\n", n.kind, len(n.text), len(n.entries), len(n.items), n.text)
	for _, e := range n.entries {
		digestNode(to, e.key)
		digestNode(to, e.value)
	}
	for _, item := range n.items {
		digestNode(to, item)
	}
}
