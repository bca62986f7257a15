package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// seal seals with the newest key in hand.
func (e *Engine) seal(p secret.Place, plain []byte) (store.Sealed, error) {
	sealed, err := e.cfg.Sealer.Seal(p, plain)
	if err != nil {
		return store.Sealed{}, err
	}
	generation, err := secret.GenerationOf(sealed)
	return store.Sealed{Generation: generation, Bytes: sealed}, err
}

// unseal opens what any node has sealed.
func (e *Engine) unseal(ctx context.Context, p secret.Place, sealed []byte) (plain []byte, err error) {
	err = e.learning(ctx, func() error {
		plain, err = e.cfg.Sealer.Open(p, sealed)
		return err
	})
	return plain, err
}

// macUnder authenticates parts under a generation of the keys that any node may have made.
func (e *Engine) macUnder(ctx context.Context, generation int, purpose string, parts ...string) (mac []byte, err error) {
	err = e.learning(ctx, func() error {
		mac, err = e.cfg.Sealer.MACUnder(generation, purpose, parts...)
		return err
	})
	return mac, err
}

// keeps reports whether a generation of the keys is still there. 0 stands for the newest.
func (e *Engine) keeps(ctx context.Context, generation int) (bool, error) {
	inHand := func() bool { return generation == 0 || slices.Contains(e.cfg.Sealer.Generations(), generation) }
	if inHand() {
		return true, nil
	}
	err := e.cfg.Sealer.Refresh(ctx)
	return inHand(), err
}

// learning runs fn, and once more if it met a generation of the keys that another node has made since this one looked.
func (e *Engine) learning(ctx context.Context, fn func() error) error {
	err := fn()
	if !errors.Is(err, secret.ErrUnknownGeneration) {
		return err
	}
	if err := e.cfg.Sealer.Refresh(ctx); err != nil {
		return err
	}
	return fn()
}
