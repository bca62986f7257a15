package server

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// VerifyAudit holds the audit log in a store against checkpoints, whether or not servers are running on it, and writes
// nothing. The key file, where its path is not empty, tells whose signatures to believe, and lets the MACs of entries be
// checked that no checkpoint has yet.
func VerifyAudit(ctx context.Context, at config.Store, keyFile string, o auditor.Options) (r auditor.Report, err error) {
	books, err := readStore(ctx, at)
	if err != nil {
		return auditor.Report{}, err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	o.Tenant = access.DefaultTenant
	if keyFile != "" {
		s, key, err := openLogKey(ctx, books, keyFile)
		if err != nil {
			return auditor.Report{}, err
		}
		o.Keys = append(o.Keys, key)
		o.Authentic = func(id access.EventID, leaf, mac []byte) bool {
			return hmac.Equal(mac, engine.EntryMAC(s, id, leaf))
		}
	}
	return auditor.Verify(ctx, books, o)
}

// AuditKey is the public key that signs the checkpoints of the log in a store, as one line of text.
func AuditKey(ctx context.Context, at config.Store, keyFile string) (key string, err error) {
	books, err := readStore(ctx, at)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	_, key, err = openLogKey(ctx, books, keyFile)
	return key, err
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

// openLogKey opens the tenant's key, and makes the log's of it.
func openLogKey(ctx context.Context, books auditor.Books, keyFile string) (*secret.Sealer, string, error) {
	installation, wrapped, err := readKeys(ctx, books)
	if err != nil {
		return nil, "", err
	}
	if wrapped == nil {
		return nil, "", access.Errorf(access.KindMisconfigured, "the store is new and empty: no server has ever used it")
	}
	wrapper, err := localfile.Open(keyFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w (without it, name the store alone: curfewd audit verify --store)", err)
		}
		return nil, "", err
	}
	s, err := secret.OpenSealer(ctx, wrapper, access.DefaultTenant, wrapped)
	if err != nil {
		return nil, "", err
	}
	private, err := engine.LogKey(s)
	if err != nil {
		return nil, "", err
	}
	key, err := audit.VerifierKey(audit.Origin(installation, access.DefaultTenant), private.Public().(ed25519.PublicKey))
	return s, key, err
}
