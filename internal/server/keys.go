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
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/awskms"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/secret/passphrase"
	"github.com/curfewhq/curfew/internal/store"
)

// openWrapper opens the key-encryption key that the configuration names.
func openWrapper(key config.Key) (secret.KeyWrapper, error) {
	switch {
	case key.Passphrase != "":
		phrase, err := key.Passphrase.Resolve()
		if err != nil {
			return nil, fmt.Errorf("the passphrase (server.key.passphrase): %w", err)
		}
		w, err := passphrase.New(phrase, passphrase.Recommended())
		if err != nil {
			return nil, fmt.Errorf("server.key.passphrase: %w", err)
		}
		return w, nil
	case key.AWSKMS != awskms.Config{}:
		w, err := awskms.Open(key.AWSKMS)
		if err != nil {
			return nil, fmt.Errorf("server.key.aws_kms: %w", err)
		}
		return w, nil
	default:
		w, err := localfile.Open(key.File)
		if err != nil {
			return nil, err
		}
		return w, nil
	}
}

// CheckKey opens the key-encryption key as a start would, as far as that needs no secret and asks no service, and changes
// nothing. A key file that is not there may be one that the first start makes.
func CheckKey(key config.Key) error {
	if key.File == "" {
		return nil
	}
	if _, err := localfile.Open(key.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makeKeyFile makes the key file where the key is one and there is none yet.
func makeKeyFile(key config.Key) error {
	if key.File == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(key.File), 0o700); err != nil {
		return fmt.Errorf("the folder of the key file: %w", err)
	}
	if err := localfile.Create(key.File); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// openKeys makes the key file and the tenant's first keys at the first start, and opens them at every other. A key file
// is made only for a store that has no keys: for any other store a missing file is an error.
func openKeys(ctx context.Context, st store.Store, c config.Server) (*secret.Sealer, string, error) {
	installation, kept, err := readKeys(ctx, st)
	if err != nil {
		return nil, "", err
	}
	if len(kept) == 0 {
		if err := errors.Join(refuseNewStore(c.HeadFile), makeKeyFile(c.Key)); err != nil {
			return nil, "", err
		}
	}
	wrapper, err := openWrapper(c.Key)
	if err != nil {
		return nil, "", err
	}
	owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	if len(kept) == 0 {
		if err := makeKeys(ctx, st, wrapper, owner); err != nil {
			return nil, "", err
		}
	}
	sealer, err := secret.OpenSealer(ctx, wrapper, owner, keySource(st))
	return sealer, installation, err
}

// keySource finds the keys that are in the store.
func keySource(st auditor.Books) secret.KeySource {
	return func(ctx context.Context) ([]secret.WrappedKeys, error) {
		_, kept, err := readKeys(ctx, st)
		return wrappedKeys(kept), err
	}
}

func wrappedKeys(kept []store.Key) []secret.WrappedKeys {
	list := make([]secret.WrappedKeys, len(kept))
	for i, k := range kept {
		list[i] = k.WrappedKeys
	}
	return list
}

// readKeys reads who this installation is, and the generations of the tenant's keys; none before the first start.
func readKeys(ctx context.Context, st auditor.Books) (installation string, kept []store.Key, err error) {
	err = st.View(ctx, func(tx store.Tx) (err error) {
		if installation, err = tx.Installation().ID(); err != nil {
			return err
		}
		kept, err = tx.Keys().List(access.DefaultTenant)
		return err
	})
	return installation, kept, err
}

// makeKeys makes the tenant's first keys, unless another node makes them at the same moment.
func makeKeys(ctx context.Context, st store.Store, wrapper secret.KeyWrapper, owner secret.Owner) error {
	made, err := secret.NewKeys(ctx, wrapper, owner, 1)
	if err != nil {
		return err
	}
	err = st.Update(ctx, "first-key", func(tx store.Tx) error {
		return tx.Keys().Insert(store.Key{Tenant: owner.Tenant, WrappedKeys: made, MadeAt: tx.Now()})
	})
	if err != nil && access.KindOf(err) == access.KindConflict {
		return nil //nolint:nilerr // the other's are as good
	}
	return err
}
