package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxKeptFile bounds a file of checkpoints: a year of one a minute has about 130 MB.
const maxKeptFile = 256 << 20

// Kept is a checkpoint that somebody kept. Nothing of it is verified.
type Kept struct {
	// Name is what the person knows it by, as a path.
	Name string
	Text []byte
}

// ReadKept reads files that have one checkpoint each, or any number one after the other, as a witness keeps them. A file
// that has none is ErrNoCheckpoint.
func ReadKept(paths ...string) (kept []Kept, err error) {
	for _, path := range paths {
		text, err := readKeptFile(path)
		if err != nil {
			return nil, err
		}
		notes := SplitCheckpoints(text)
		if len(notes) == 0 {
			return nil, fmt.Errorf("%s: %w", path, ErrNoCheckpoint)
		}
		for i, note := range notes {
			name := path
			if len(notes) > 1 {
				name = fmt.Sprintf("%s, number %d", path, i+1)
			}
			kept = append(kept, Kept{Name: name, Text: note})
		}
	}
	return kept, nil
}

func readKeptFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeptFile+1))
	if err == nil && len(text) > maxKeptFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxKeptFile)
	}
	return text, errors.Join(err, file.Close())
}
