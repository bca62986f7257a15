package server

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// quietBooks are a store whose server may repeat in its errors what it was told to let us in: a proxy in between has done so
// elsewhere. Whoever logs an error of theirs logs no password.
type quietBooks struct {
	*sqlstore.Postgres
	secrets secret.Redactor
}

// Update implements store.Store.
func (b quietBooks) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	return b.secrets.Error(b.Postgres.Update(ctx, name, fn))
}

// View implements store.Store.
func (b quietBooks) View(ctx context.Context, fn func(store.Tx) error) error {
	return b.secrets.Error(b.Postgres.View(ctx, fn))
}

// Now implements store.Store.
func (b quietBooks) Now(ctx context.Context) (time.Time, error) {
	now, err := b.Postgres.Now(ctx)
	return now, b.secrets.Error(err)
}
