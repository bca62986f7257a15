// Package journal is a file of records that are durable when Append returns: what was done while there was no store to
// keep it in.
//
// It owns the file: one record a line, each with a checksum, so that one that was torn by a crash is told from one that
// was written. It owns no meaning of a record.
package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// MaxRecord bounds a record, in bytes.
const MaxRecord = 64 << 10

// Journal is an open file of records. It is safe for concurrent use; one process at a time has it open.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	// size is where the last whole record ends.
	size int64
}

var table = crc32.MakeTable(crc32.Castagnoli)

// ErrHeld is the error of Open when another process has the journal open.
var ErrHeld = errors.New("another process has this journal open")

// Open opens the journal at path, and makes it where there is none, readable by its owner only. What a crash left half
// written is cut off.
func Open(path string) (_ *Journal, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, ErrHeld
	case err != nil:
		return nil, err
	}
	if _, err := j.Records(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := file.Truncate(j.size); err != nil {
		return nil, err
	}
	return j, syncFolder(path)
}

// Records reads what was appended since the last Clear, oldest first.
func (j *Journal) Records() (records [][]byte, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	info, err := j.file.Stat()
	if err != nil {
		return nil, err
	}
	j.size = 0
	lines := bufio.NewReaderSize(io.NewSectionReader(j.file, 0, info.Size()), MaxRecord+64)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		record, ok := parse(line)
		if !ok {
			return records, nil
		}
		records = append(records, bytes.Clone(record))
		j.size += int64(len(line))
	}
}

// parse takes a line apart: the checksum in hexadecimal, a space, the record.
func parse(line []byte) (record []byte, ok bool) {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	sum, record, found := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	return record, ended && found && err == nil && uint32(want) == crc32.Checksum(record, table)
}

// Append writes a record; when it returns nil, the record survives a crash. A record has no newline and at most
// MaxRecord bytes.
func (j *Journal) Append(record []byte) error {
	if len(record) > MaxRecord || bytes.ContainsRune(record, '\n') {
		return fmt.Errorf("a record of %d bytes: want one line of at most %d", len(record), MaxRecord)
	}
	line := fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(record, table), record)
	j.mu.Lock()
	defer j.mu.Unlock()
	// At its offset, so that a write that failed half-way is written over.
	if _, err := j.file.WriteAt(line, j.size); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.size += int64(len(line))
	return nil
}

// Clear forgets all records.
func (j *Journal) Clear() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Truncate(0); err != nil {
		return err
	}
	j.size = 0
	return j.file.Sync()
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}

// syncFolder makes the file's name durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
