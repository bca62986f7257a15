package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/audit"
)

// The files that a pack is made from, and those that say what order it was made by.
const (
	LogFile     = "log.jsonl"
	orderFile   = "order.json"
	sumsFile    = "SHA256SUMS"
	readMeText  = "README.txt"
	maxPackFile = 1 << 30
)

// files are what follows from a pack, by name.
func (p Pack) files() (map[string][]byte, error) {
	files := map[string][]byte{"checkpoint.txt": []byte(p.Checkpoint), "key.txt": []byte(p.Key + "\n")}
	var errs []error
	put := func(name string, content []byte, err error) {
		files[name] = content
		errs = append(errs, err)
	}
	order, err := json.MarshalIndent(p.Order, "", "  ")
	put(orderFile, append(order, '\n'), err)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	put("evidence.json", nil, e.Encode(p))
	files["evidence.json"] = b.Bytes()
	html, err := p.html()
	put("report.html", html, err)
	pdf, err := p.pdf()
	put("report.pdf", pdf, err)
	for _, t := range p.tables() {
		text, err := t.csv()
		put(t.name+".csv", text, err)
	}
	files[readMeText] = []byte(readMe(p))
	return files, errors.Join(errs...)
}

func readMe(p Pack) string {
	return p.title() + `

report.html, report.pdf   the report, to be read
*.csv, evidence.json      the same, to be worked with
log.jsonl                 the audit log from its first entry on, with its proof; all else follows from it
checkpoint.txt, key.txt   the checkpoint that proves it, and the log's public key
order.json                the period and the controls that were asked for
SHA256SUMS                the files' sums

To verify it, on any machine and without a server:

` + verification + `

Have KEY from elsewhere than this pack: from curfewd audit key, which those who run Curfew gave you. FILE is a checkpoint
that you kept yourself (curfew audit checkpoint).
`
}

// Write makes the pack of an export that lies in the folder as LogFile, beside it.
func Write(folder string, keys []string, o Order) (Pack, error) {
	p, err := readFolder(folder, keys, nil, o)
	if err != nil {
		return Pack{}, err
	}
	files, err := p.files()
	if err != nil {
		return Pack{}, err
	}
	sums, err := sumsOf(folder, files)
	if err != nil {
		return Pack{}, err
	}
	files[sumsFile] = sums
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(folder, name), files[name], 0o600); err != nil {
			return Pack{}, err
		}
	}
	return p, nil
}

func readFolder(folder string, keys []string, kept []audit.Checkpoint, o Order) (Pack, error) {
	log, err := os.Open(filepath.Join(folder, LogFile))
	if err != nil {
		return Pack{}, err
	}
	defer func() { _ = log.Close() }()
	return Read(log, keys, kept, o)
}

// sumsOf is what sha256sum prints of the files and the log.
func sumsOf(folder string, files map[string][]byte) ([]byte, error) {
	log, err := os.Open(filepath.Join(folder, LogFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, log); err != nil {
		return nil, err
	}
	sums := map[string]string{LogFile: fmt.Sprintf("%x", h.Sum(nil))}
	for name, content := range files {
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	return []byte(b.String()), nil
}

// Verify makes the pack in a folder again out of its log, and returns the files that are not what follows from it. keys and
// kept are those of Read.
func Verify(folder string, keys []string, kept []audit.Checkpoint) (p Pack, wrong []string, err error) {
	text, err := readFile(filepath.Join(folder, orderFile))
	if err != nil {
		return Pack{}, nil, err
	}
	var o Order
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return Pack{}, nil, fmt.Errorf("%s: %w", orderFile, err)
	}
	if p, err = readFolder(folder, keys, kept, o); err != nil {
		return Pack{}, nil, err
	}
	files, err := p.files()
	if err != nil {
		return Pack{}, nil, err
	}
	if files[sumsFile], err = sumsOf(folder, files); err != nil {
		return Pack{}, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got, err := readFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(got, files[name]) {
			wrong = append(wrong, name)
		}
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return Pack{}, nil, err
	}
	for _, f := range there {
		if _, ok := files[f.Name()]; !ok && f.Name() != LogFile {
			wrong = append(wrong, f.Name()+" (it does not belong to the pack)")
		}
	}
	return p, wrong, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxPackFile))
}
