package engine

import (
	"context"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// maxKept is how many generations of the keys may be kept when another one is made. Only restores keep old ones for long.
	maxKept = 90
	// rewrapTries is how often keys are wrapped anew that change meanwhile.
	rewrapTries = 5
)

// KeyStatus is a generation of the keys, and what needs it.
type KeyStatus struct {
	store.Key
	// Newest is the one that seals.
	Newest bool
	Uses   store.KeyUses
	// GoneAt is when the generation will be destroyed, if nothing needs it until then; zero while something does.
	GoneAt time.Time
}

// Seals reports whether what the generation has sealed still opens.
func (k KeyStatus) Seals() bool { return len(k.Sealing) > 0 }

// Keys tells of every generation of the keys that is kept, the oldest first. What needs each is counted up to limit.
func (e *Engine) Keys(ctx context.Context, limit int) (list []KeyStatus, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		list = nil
		keys, err := tx.Keys().List(e.cfg.Tenant)
		for i, k := range keys {
			s := KeyStatus{Key: k, Newest: i == len(keys)-1}
			if s.Uses, err = tx.Keys().Uses(e.cfg.Tenant, k.Generation, limit); err != nil {
				return err
			}
			if !k.IdleSince.IsZero() {
				s.GoneAt = k.IdleSince.Add(keyRetention)
			}
			list = append(list, s)
		}
		return err
	})
	return list, err
}

// RotateKeys makes a new generation of the keys, which seals from then on. All that an older one has sealed is sealed anew
// by KeepKeys, of whichever node. begun is false when an earlier rotation is still under way: that one goes on.
func (e *Engine) RotateKeys(ctx context.Context) (generation int, begun bool, err error) {
	kept, err := e.listKeys(ctx)
	if err != nil {
		return 0, false, err
	}
	if n := len(kept); n > maxKept {
		return 0, false, access.Errorf(access.KindExhausted, "%d generations of the keys are kept, and at most %d may be before another one is made; see curfewd keys status for what needs them.", n, maxKept)
	}
	if resealing(kept) {
		return newestOf(kept), false, nil
	}
	if err := e.cfg.Sealer.Refresh(ctx); err != nil {
		return 0, false, err
	}
	made, err := e.cfg.Sealer.NextKeys(ctx)
	if err != nil {
		return 0, false, err
	}
	err = e.update(ctx, txKeyRotated, func(c *change) error {
		if err := c.Keys().Insert(store.Key{Tenant: e.cfg.Tenant, WrappedKeys: made, MadeAt: c.Now()}); err != nil {
			return err
		}
		return c.recordKey(access.EventKeyRotated, made.Generation, map[string]string{"wrapper": made.Wrapper})
	})
	if is(err, access.KindConflict) { // somebody else has begun one at this moment
		kept, err := e.listKeys(ctx)
		return newestOf(kept), false, err
	}
	if err != nil {
		return 0, false, err
	}
	return made.Generation, true, e.cfg.Sealer.Refresh(ctx)
}

// newestOf is the newest generation, which seals; 0 of none.
func newestOf(kept []store.Key) int {
	if len(kept) == 0 {
		return 0
	}
	return kept[len(kept)-1].Generation
}

// resealing reports whether a generation but the newest still has a sealing key, which ends with a rotation.
func resealing(kept []store.Key) bool {
	for _, k := range kept[:max(0, len(kept)-1)] {
		if len(k.Sealing) > 0 {
			return true
		}
	}
	return false
}

// RewrapKeys wraps every generation of the keys with another key-encryption key. Nothing that is sealed changes, and nodes
// that have the keys in hand go on with them.
func (e *Engine) RewrapKeys(ctx context.Context, to secret.KeyWrapper) error {
	for try := 1; ; try++ {
		kept, err := e.listKeys(ctx)
		if err != nil {
			return err
		}
		again := make([]store.Key, len(kept))
		for i, k := range kept {
			again[i] = k
			if again[i].WrappedKeys, err = e.cfg.Sealer.Rewrap(ctx, to, k.WrappedKeys); err != nil {
				return err
			}
		}
		err = e.update(ctx, txKeyRewrapped, func(c *change) error { return c.rewrap(kept, again, to) })
		if !is(err, access.KindConflict) || try == rewrapTries {
			return err
		}
	}
}

// rewrap replaces all generations, or none.
func (c *change) rewrap(kept, again []store.Key, to secret.KeyWrapper) error {
	now, err := c.Keys().List(c.engine.cfg.Tenant)
	if err != nil {
		return err
	}
	if len(now) != len(kept) {
		return access.Errorf(access.KindConflict, "The keys were rotated at this moment; try again.")
	}
	for i := range kept {
		if err := c.Keys().Rewrap(kept[i], again[i]); err != nil {
			return err
		}
	}
	newest := kept[len(kept)-1]
	return c.recordKey(access.EventKeyRewrapped, newest.Generation, map[string]string{
		"wrapper": to.Name(), "wrapper_before": newest.Wrapper, "generations": strconv.Itoa(len(kept)),
	})
}

// listKeys reads the generations that are kept.
func (e *Engine) listKeys(ctx context.Context) (kept []store.Key, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		kept, err = tx.Keys().List(e.cfg.Tenant)
		return err
	})
	if err == nil && len(kept) == 0 {
		err = access.Errorf(access.KindMisconfigured, "The store has no keys: no server has ever used it.")
	}
	return kept, err
}

// recordKey enters what became of a generation of the keys.
func (c *change) recordKey(kind access.EventKind, generation int, detail map[string]string) error {
	if detail == nil {
		detail = map[string]string{}
	}
	detail["generation"] = strconv.Itoa(generation)
	return c.record(access.Event{Kind: kind, Detail: detail})
}
