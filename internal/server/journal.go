package server

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew/internal/journal"
)

// maxNodes bounds how many servers on one machine share a key file, each with a journal of its own.
const maxNodes = 16

// openJournal opens the journal of what is taken back while the store is away. It lies beside the key file, because the
// store may be elsewhere.
func openJournal(keyFile string) (*journal.Journal, error) {
	base := strings.TrimSuffix(keyFile, filepath.Ext(keyFile))
	path := base + ".journal"
	for n := 2; ; n++ {
		j, err := journal.Open(path)
		switch {
		case err == nil:
			return j, nil
		case !errors.Is(err, journal.ErrHeld) || n > maxNodes:
			return nil, fmt.Errorf("the journal beside the key file (server.key): %s: %w", path, err)
		}
		path = fmt.Sprintf("%s-%d.journal", base, n)
	}
}
