package server

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew/internal/journal"
)

// maxNodes bounds how many servers on one machine share a folder, each with a journal of its own.
const maxNodes = 16

// openJournal opens the journal of what is taken back while the store is away. It does not lie with the store, which may be
// what is away.
func openJournal(path string) (*journal.Journal, error) {
	base := strings.TrimSuffix(path, filepath.Ext(path))
	for n := 2; ; n++ {
		j, err := journal.Open(path)
		switch {
		case err == nil:
			return j, nil
		case !errors.Is(err, journal.ErrHeld) || n > maxNodes:
			return nil, fmt.Errorf("the journal beside the key file (server.key), or beside the head (server.head): %s: %w", path, err)
		}
		path = fmt.Sprintf("%s-%d.journal", base, n)
	}
}
