package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
)

// migrate brings the schema up to date, refuses one that this program is too old for, and gives a new store its ID. name
// names the store in errors, and cannotOpen makes one of what the database says. One process at a time may migrate.
func migrate(ctx context.Context, db *sql.DB, d *dialect, name string, cannotOpen func(error) error) error {
	provider, err := goose.NewProvider(d.goose, db, d.migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return cannotOpen(err)
	}
	if current > target {
		return access.Errorf(access.KindMisconfigured,
			"%s has schema %d, and this program knows schema %d at most: run the newer program that wrote it",
			name, current, target)
	}
	if _, err := provider.Up(ctx); err != nil {
		return access.Wrap(access.KindMisconfigured, err, name+" could not be migrated")
	}
	_, err = db.ExecContext(ctx,
		`INSERT INTO installation (singleton, id) VALUES (1, $1) ON CONFLICT DO NOTHING`, randomID())
	if err != nil {
		return cannotOpen(err)
	}
	return nil
}

func randomID() string {
	var b [16]byte
	// crypto/rand.Read never fails (its documentation).
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
