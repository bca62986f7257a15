package enginetest

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
)

// sealer makes the company's first keys, and opens them.
func (w *World) sealer(st store.Store, installation string) *secret.Sealer {
	w.Helper()
	ctx, owner := context.Background(), secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	path := filepath.Join(w.TempDir(), "key")
	w.must(localfile.Create(path))
	wrapper, err := localfile.Open(path)
	w.must(err)
	made, err := secret.NewKeys(ctx, wrapper, owner, 1)
	w.must(err)
	w.must(st.Update(ctx, "first-key", func(tx store.Tx) error {
		return tx.Keys().Insert(store.Key{Tenant: owner.Tenant, WrappedKeys: made, MadeAt: tx.Now()})
	}))
	w.openSealer = func() *secret.Sealer {
		w.Helper()
		sealer, err := secret.OpenSealer(ctx, wrapper, owner, func(ctx context.Context) ([]secret.WrappedKeys, error) {
			if w.keysAway.Load() {
				return nil, errors.New("the keys cannot be read")
			}
			return keysIn(ctx, st)
		})
		w.must(err)
		return sealer
	}
	return w.openSealer()
}

// Sealer is that of the company's first engine.
func (w *World) Sealer() *secret.Sealer { return w.config.Sealer }

// LoseKeys has nobody read the keys any more, or again. What is in hand stays.
func (w *World) LoseKeys(lost bool) { w.keysAway.Store(lost) }

// NewKeyFile makes another key-encryption key.
func (w *World) NewKeyFile() secret.KeyWrapper {
	w.Helper()
	path := filepath.Join(w.TempDir(), "another-key")
	w.must(localfile.Create(path))
	wrapper, err := localfile.Open(path)
	w.must(err)
	return wrapper
}

func keysIn(ctx context.Context, st store.Store) (list []secret.WrappedKeys, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		kept, err := tx.Keys().List(access.DefaultTenant)
		list = nil
		for _, k := range kept {
			list = append(list, k.WrappedKeys)
		}
		return err
	})
	return list, err
}
