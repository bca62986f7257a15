package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
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

// openStore opens the books where the configuration says they are.
func openStore(ctx context.Context, c config.Store, o Options) (books, error) {
	at, err := c.Resolve()
	if err != nil {
		return nil, fmt.Errorf("the store: %w", err)
	}
	options := sqlstore.Options{
		Clock: o.Clock, Log: o.Log, Background: engine.Background, Ballast: sqlstore.Ballast{Bytes: ballastBytes, CanWait: engine.CanWait},
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

// CheckKeyFile opens the key file as a start would, and changes nothing. One that is not there may be one that the first
// start makes.
func CheckKeyFile(c config.Server) error {
	if _, err := localfile.Open(c.KeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// openKeys makes the key file and the tenant's data key at the first start, and opens them at every other. A key file
// is made only for a store that has no keys: for any other store a missing file is an error.
func openKeys(ctx context.Context, st store.Store, c config.Server) (*secret.Sealer, string, error) {
	path := c.KeyFile
	installation, wrapped, err := readKeys(ctx, st)
	if err != nil {
		return nil, "", err
	}
	if wrapped == nil {
		if err := refuseNewStore(c.HeadFile); err != nil {
			return nil, "", err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, "", fmt.Errorf("the folder of the key file: %w", err)
		}
		if err := localfile.Create(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
	}
	wrapper, err := localfile.Open(path)
	if err != nil {
		return nil, "", err
	}
	if wrapped == nil {
		if wrapped, err = makeKey(ctx, st, wrapper); err != nil {
			return nil, "", err
		}
	}
	sealer, err := secret.OpenSealer(ctx, wrapper, access.DefaultTenant, wrapped)
	return sealer, installation, err
}

// readKeys reads who this installation is, and the tenant's wrapped key; nil when there is none yet.
func readKeys(ctx context.Context, st auditor.Books) (installation string, wrapped []byte, err error) {
	err = st.View(ctx, func(tx store.Tx) (err error) {
		if installation, err = tx.Installation().ID(); err != nil {
			return err
		}
		wrapped, err = tx.Keys().Get(access.DefaultTenant)
		if err != nil && access.KindOf(err) == access.KindNotFound {
			return nil
		}
		return err
	})
	return installation, wrapped, err
}

// makeKey makes the tenant's data key, or finds the one that another node made at the same moment.
func makeKey(ctx context.Context, st store.Store, wrapper secret.KeyWrapper) ([]byte, error) {
	wrapped, err := secret.NewDataKey(ctx, wrapper, access.DefaultTenant)
	if err != nil {
		return nil, err
	}
	err = st.Update(ctx, "first-key", func(tx store.Tx) error { return tx.Keys().Insert(access.DefaultTenant, wrapped) })
	if err != nil && access.KindOf(err) == access.KindConflict {
		_, wrapped, err = readKeys(ctx, st)
	}
	return wrapped, err
}
