package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// VerifyAudit holds the audit log in a store against checkpoints, whether or not servers are running on it, and writes
// nothing. The key-encryption key, where there is one, tells whose signatures to believe, and lets the MACs of entries be
// checked that no checkpoint has yet.
func VerifyAudit(ctx context.Context, at config.Store, key config.Key, o auditor.Options) (r auditor.Report, err error) {
	books, err := readStore(ctx, at)
	if err != nil {
		return auditor.Report{}, err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	o.Tenant = access.DefaultTenant
	if key != (config.Key{}) {
		s, keys, err := openLogKeys(ctx, books, key)
		if err != nil {
			return auditor.Report{}, err
		}
		o.Keys = append(o.Keys, keys...)
		o.Authentic = func(id access.EventID, leaf, mac []byte) bool { return engine.IsEntryMAC(s, mac, id, leaf) }
	}
	return auditor.Verify(ctx, books, o)
}

// AuditKey is the public key that signs the checkpoints of the log in a store by now, as one line of text.
func AuditKey(ctx context.Context, at config.Store, key config.Key) (public string, err error) {
	books, err := readStore(ctx, at)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	_, keys, err := openLogKeys(ctx, books, key)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// readStore opens the books to be read as they are now.
func readStore(ctx context.Context, c config.Store) (*sqlstore.Reader, error) {
	at, err := c.Resolve()
	if err != nil {
		return nil, fmt.Errorf("the store: %w", err)
	}
	if at.URL != "" {
		r, err := sqlstore.ReadPostgres(ctx, at.URL)
		return r, secret.NewRedactor(at.URL).Error(err)
	}
	return sqlstore.ReadSQLite(ctx, at.Path)
}

// openLogKeys opens the tenant's keys, and makes the log's of them, the newest first.
func openLogKeys(ctx context.Context, books auditor.Books, key config.Key) (*secret.Sealer, []string, error) {
	installation, kept, err := readKeys(ctx, books)
	if err != nil {
		return nil, nil, err
	}
	if len(kept) == 0 {
		return nil, nil, access.Errorf(access.KindMisconfigured, "the store is new and empty: no server has ever used it")
	}
	wrapper, err := openWrapper(key)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w (without it, name the store alone: curfewd audit verify --store)", err)
		}
		return nil, nil, err
	}
	owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	s, err := secret.OpenSealer(ctx, wrapper, owner, keySource(books))
	if err != nil {
		return nil, nil, err
	}
	keys, err := engine.LogKeys(s, audit.Origin(installation, access.DefaultTenant))
	return s, keys, err
}
