package server

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// books are a store that says what it does.
type books interface {
	store.Store
	Stats() sqlstore.Stats
}

// alone reports whether the books are this process's alone.
func alone(b books) bool {
	_, ok := b.(*sqlstore.SQLite)
	return ok
}

// ballastBytes is kept free on the disk of a store on SQLite. A thousand grants are taken back in it.
const ballastBytes = 8 << 20

// inBackground and canWait add to the transactions of engine and directory the one that says how far a destination of the log is
// served, and the one that tells of people whom a change of their groups has left waiting, which takes access back and so cannot wait.
func inBackground(name store.TxName) bool {
	return name == delivery.Transaction || name == scim.Transaction || directory.Background(name) || engine.Background(name)
}

func canWait(name store.TxName) bool {
	return name == delivery.Transaction || directory.CanWait(name) || engine.CanWait(name)
}

// openStore opens the books where the configuration says they are.
func openStore(ctx context.Context, c config.Store, o Options) (books, error) {
	at, err := c.Resolve()
	if err != nil {
		return nil, fmt.Errorf("the store: %w", err)
	}
	options := sqlstore.Options{
		Clock: o.Clock, Log: o.Log, Background: inBackground, Ballast: sqlstore.Ballast{Bytes: ballastBytes, CanWait: canWait},
	}
	if at.URL != "" {
		secrets := secret.NewRedactor(at.URL)
		s, err := sqlstore.OpenPostgres(ctx, at.URL, options)
		if err != nil {
			return nil, secrets.Error(err)
		}
		return quietBooks{s, secrets}, nil
	}
	options.NumberEvents = true
	s, err := sqlstore.OpenSQLite(ctx, at.Path, options)
	if err != nil {
		return nil, err
	}
	return s, nil
}
