// Package filewitness keeps checkpoints in a file, one behind the other: on a disk that others look after, or that can be
// appended to only.
//
// It owns the form of the file. It does not own when a checkpoint is kept, nor the proof that it belongs there (package
// delivery).
package filewitness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/audit"
)

// File is a witness.
type File struct{ path string }

// New makes a witness of the file at a path. The file is made with the first checkpoint; its folder must be there.
func New(path string) *File { return &File{path: path} }

// Keep implements delivery.Witness. The file has the checkpoint, on the disk, when it returns nil.
func (w *File) Keep(_ context.Context, signed []byte, extends func(previous []byte) error) (err error) {
	// No secret is in it, and others shall read it. It may be one that can be appended to only.
	file, err := os.OpenFile(w.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("the witness's file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	previous, torn, err := last(file)
	if err != nil {
		return fmt.Errorf("the witness's file %s: %w", w.path, err)
	}
	if previous != nil {
		if err := extends(previous); err != nil {
			return err
		}
	}
	return w.append(file, torn, signed)
}

// append writes a checkpoint and the empty line that ends it, in place of what a write has left that was cut short. The folder
// is written as well, since the file may be new.
func (w *File) append(file *os.File, torn int64, signed []byte) error {
	if torn > 0 {
		info, err := file.Stat()
		if err == nil {
			err = file.Truncate(info.Size() - torn)
		}
		if err != nil {
			return err
		}
	}
	if _, err := file.Write(append(bytes.Clone(signed), '\n')); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

const (
	// separator ends a checkpoint: its last line, and an empty one.
	separator = "\n\n"
	// signature begins the signatures of a checkpoint, with the empty line that is between them and its text.
	signature = "\n\n— "
)

// last finds the newest checkpoint, nil where there is none yet, and how many bytes behind it a write has left that was cut
// short.
func last(file *os.File) (previous []byte, torn int64, err error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is no regular file")
	case info.Size() == 0:
		return nil, 0, nil
	}
	// The end of the file has one whole checkpoint at least, and half of another.
	begin := max(0, info.Size()-2*audit.MaxCheckpoint)
	tail := make([]byte, info.Size()-begin)
	if _, err := file.ReadAt(tail, begin); err != nil {
		return nil, 0, err
	}
	end := endOfNotes(tail)
	notes := audit.SplitCheckpoints(tail[:end])
	if begin > 0 && len(notes) > 0 {
		notes = notes[1:] // the first may have lost its beginning
	}
	switch {
	case len(notes) > 0:
		return notes[len(notes)-1], int64(len(tail) - end), nil
	case end == 0 && len(tail) < audit.MaxCheckpoint && begins(tail):
		return nil, int64(len(tail)), nil // the first write was cut short
	}
	return nil, 0, fmt.Errorf("%w: it has %d bytes, and no checkpoint at its end; name another file", audit.ErrRewritten, info.Size())
}

// begins reports whether a text may be the beginning of a checkpoint.
func begins(text []byte) bool {
	const origin = "curfew/"
	return bytes.HasPrefix(text, []byte(origin)) || bytes.HasPrefix([]byte(origin), text)
}

// endOfNotes is the length of a text without what follows the last whole checkpoint. One is whole with the end of its last
// line: somebody may have put it there who left the empty line out.
func endOfNotes(tail []byte) int {
	for at := bytes.LastIndex(tail, []byte(signature)); at >= 0; at = bytes.LastIndex(tail[:at], []byte(signature)) {
		rest := tail[at+len(signature):]
		if n := bytes.Index(rest, []byte(separator)); n >= 0 {
			return at + len(signature) + n + len(separator)
		}
		if bytes.HasSuffix(rest, []byte("\n")) {
			return len(tail)
		}
	}
	return 0
}
