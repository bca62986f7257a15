package simulation

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// knownKeys implements secret.KeyWrapper with a key for each use of each generation that is no secret, so that marks are the
// same whenever a run is run.
type knownKeys struct{}

// Name implements secret.KeyWrapper.
func (knownKeys) Name() string { return "known" }

// Wrap implements secret.KeyWrapper.
func (knownKeys) Wrap(context.Context, secret.KeyID, []byte) ([]byte, error) { return []byte{1}, nil }

// Unwrap implements secret.KeyWrapper.
func (knownKeys) Unwrap(_ context.Context, id secret.KeyID, _ []byte) ([]byte, error) {
	key := sha256.Sum256(id.Bytes())
	return key[:], nil
}

// keyed gives new books the first keys of this installation.
func (w *World) keyed(books store.Store) store.Store {
	first := secret.WrappedKeys{Generation: 1, Wrapper: knownKeys{}.Name(), Sealing: []byte{1}, Authentication: []byte{1}}
	err := books.Update(context.Background(), "first-key", func(tx store.Tx) error {
		return tx.Keys().Insert(store.Key{Tenant: access.DefaultTenant, WrappedKeys: first, MadeAt: tx.Now()})
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
	return books
}

// sealer opens the keys in some books. A node has those that were there when it looked last.
func (w *World) sealer(st store.Store) *secret.Sealer {
	owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	s, err := secret.OpenSealer(context.Background(), knownKeys{}, owner, func(ctx context.Context) (list []secret.WrappedKeys, err error) {
		from := st
		if b, ok := st.(*books); ok && taskOf(ctx) == nil {
			from = b.Store // a start is waited for until it succeeds
		}
		err = from.View(ctx, func(tx store.Tx) error {
			kept, err := tx.Keys().List(access.DefaultTenant)
			list = nil
			for _, k := range kept {
				list = append(list, k.WrappedKeys)
			}
			return err
		})
		return list, err
	})
	if err != nil {
		w.breaks("the keys open", "%v", err)
	}
	return s
}

// rotate has a node make a new generation of the keys.
func (w *World) rotate(n *node) {
	w.call(n, "keys", "rotates the keys", func(ctx context.Context, e *engine.Engine) error {
		_, _, err := e.RotateKeys(ctx)
		return err
	})
}

// keepKeys has a node take over new keys, and take a rotation a step on.
func (w *World) keepKeys(n *node) {
	w.call(n, "keys", "looks after the keys", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.KeepKeys(ctx, n.name)
		return err
	})
}

// resealing reports whether an old generation of the keys still seals.
func (s *state) resealing() bool {
	for i, k := range s.keys {
		if i < len(s.keys)-1 && len(k.Sealing) > 0 {
			return true
		}
	}
	return false
}

// key finds a generation that is kept.
func (s *state) key(generation int) (key store.Key, kept bool) {
	for _, k := range s.keys {
		if k.Generation == generation {
			return k, true
		}
	}
	return store.Key{}, false
}

// sealedOpens: what is sealed is sealed under a key that is kept, and what grants have at the target bears a mark that can
// be told from a forged one.
func sealedOpens(_ *World, _, now *state) string {
	return each(now, func(g access.Grant) string {
		if generation, sealed := now.sealedUnder[g.ID]; sealed {
			if k, _ := now.key(generation); len(k.Sealing) == 0 {
				return fmt.Sprintf("the plan of %s is sealed under generation %d, which seals no more", g.ID, generation)
			}
		}
		_, kept := now.key(g.MarkGeneration)
		return wrongf(g.State.Live() && !kept, "%s is %s, and generation %d, which has made its mark, is gone", g.ID, g.State, g.MarkGeneration)
	})
}

// keysMadeAndDestroyed are the entries of generations that came and went.
func keysMadeAndDestroyed(before, now *state) (want []entry) {
	for _, k := range now.keys {
		switch was, known := before.key(k.Generation); {
		case !known && k.Generation > 1:
			want = append(want, entry{Kind: access.EventKeyRotated})
		case len(was.Sealing) > 0 && len(k.Sealing) == 0:
			want = append(want, entry{Kind: access.EventKeySealingDestroyed})
		}
	}
	for _, k := range before.keys {
		if _, kept := now.key(k.Generation); !kept {
			want = append(want, entry{Kind: access.EventKeyDestroyed})
		}
	}
	return want
}
