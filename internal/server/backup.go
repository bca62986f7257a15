package server

import (
	"context"
	"fmt"
	"io"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Backup writes the books of the configured store to a new file, whether or not servers are running on it, and says on
// out how far it is. The key-encryption key is not in it.
func Backup(ctx context.Context, c *config.Config, to string, out io.Writer) error {
	at, err := c.Store.Resolve()
	if err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	if at.URL != "" {
		err = secret.NewRedactor(at.URL).Error(sqlstore.BackupPostgres(ctx, at.URL, to, saying(out)))
	} else {
		err = sqlstore.BackupSQLite(ctx, at.Path, to, saying(out))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is written, and what was read back of it is what was in the store.\n%s\n", to, keepKey(c.Server.Key))
	return err
}

// keepKey says what a backup is worth nothing without.
func keepKey(key config.Key) string {
	if key.File == "" {
		return "The key-encryption key is not in it. Without that nothing that is sealed in the backup opens."
	}
	return "The key file is not in it: " + key.File + ". Keep a copy of that apart, since both together open what is sealed."
}

// saying shows on out how a copy goes on.
func saying(out io.Writer) sqlstore.Copied {
	return func(table string, rows int64, done bool) {
		if done {
			_, _ = fmt.Fprintf(out, "%-20s %d rows\n", table, rows)
		} else {
			_, _ = fmt.Fprintf(out, "%-20s %d rows so far\n", table, rows)
		}
	}
}
