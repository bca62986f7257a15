package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// keysPause is how often a node looks for keys that another has made or destroyed.
	keysPause = 5 * time.Second
	// keysSettle is how old a new generation is at least when the sealing key of the one before is destroyed: time for every
	// node to have looked. One that has not is refused by the store, and looks then.
	keysSettle = 2 * keysPause
	// keysLease is how long a node that dies while it seals anew keeps the others from going on.
	keysLease = 30 * time.Second
	// resealBatch is how many plans one transaction seals anew: few enough that nobody waits long for its end.
	resealBatch = 100
	// keyRetention is how long a generation is kept after the last thing is gone that needs it, since what bears its mark may
	// be put back at a target.
	keyRetention = reobserve
)

// KeepKeys takes over what became of the keys, and takes a rotation that is under way one step on, unless another node is
// at it: it seals anew a batch of what older generations have sealed, and destroys what nothing needs any more. holder
// names this node. more reports that there is more to seal, so that it should be called again at once.
func (e *Engine) KeepKeys(ctx context.Context, holder string) (more bool, err error) {
	kept, err := e.listKeys(ctx)
	if err != nil {
		return false, err
	}
	newest := kept[len(kept)-1]
	if len(kept) == 1 && len(e.cfg.Sealer.Generations()) == 1 && e.cfg.Sealer.Generation() == newest.Generation {
		return false, nil
	}
	if err := e.cfg.Sealer.Refresh(ctx); err != nil {
		return false, err
	}
	more, err = e.reseal(ctx, holder)
	if more || err != nil {
		return more, err
	}
	for _, k := range kept[:len(kept)-1] {
		if err := e.retire(ctx, k.Generation); err != nil {
			return false, err
		}
	}
	return false, nil
}

// reseal seals a batch of plans anew, under a lease that it gives back when nothing is left. What does not open stays as it
// is, and is told as an error; so does the key that has sealed it.
func (e *Engine) reseal(ctx context.Context, holder string) (more bool, err error) {
	newest := e.cfg.Sealer.Generation()
	waiting, err := e.sealedBefore(ctx, newest)
	if err != nil || !waiting {
		return false, err
	}
	var damaged error
	err = e.update(ctx, txReseal, func(c *change) error {
		more, damaged = false, nil
		lease := "keys " + string(e.cfg.Tenant)
		ours, err := c.Leases().Acquire(lease, holder, c.Now().Add(keysLease))
		if err != nil || !ours {
			return err
		}
		batch, err := c.Plans().SealedBefore(e.cfg.Tenant, newest, resealBatch)
		if err != nil {
			return err
		}
		opened, err := c.resealAll(batch)
		if err != nil {
			return err
		}
		if opened < len(batch) {
			damaged = access.Errorf(access.KindInternal, "%d sealed plans do not open and cannot be sealed anew, the first of the grants from %s on; the old key is kept.", len(batch)-opened, batch[0].Grant)
		}
		texts, err := c.resealConfigurations(newest)
		if err != nil {
			return err
		}
		if texts > 0 {
			damaged = errors.Join(damaged, access.Errorf(access.KindInternal, "%d sealed versions of the configuration do not open and cannot be sealed anew; the old key is kept.", texts))
		}
		if more = len(batch) == resealBatch && opened > 0; more {
			return nil
		}
		return c.Leases().Release(lease, holder)
	})
	return more, errors.Join(err, damaged)
}

// sealedBefore reports whether an older generation has sealed something that is kept. Asking first keeps a node with
// nothing to do from writing.
func (e *Engine) sealedBefore(ctx context.Context, generation int) (waiting bool, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		list, err := tx.Plans().SealedBefore(e.cfg.Tenant, generation, 1)
		if waiting = len(list) > 0; waiting || err != nil {
			return err
		}
		texts, err := tx.Configurations().SealedBefore(e.cfg.Tenant, generation)
		waiting = len(texts) > 0
		return err
	})
	return waiting, err
}

// resealAll seals anew what opens, and counts it.
func (c *change) resealAll(batch []store.SealedPlan) (opened int, err error) {
	for _, p := range batch {
		place := planPlace(p.Grant)
		plain, err := c.engine.cfg.Sealer.Open(place, p.Bytes)
		if errors.Is(err, secret.ErrUnknownGeneration) {
			return opened, fmt.Errorf("sealing the plan of grant %s anew: %w", p.Grant, err)
		}
		if err != nil {
			continue
		}
		again, err := c.engine.seal(place, plain)
		clear(plain)
		if err != nil {
			return opened, err
		}
		if err := c.Plans().Reseal(c.engine.cfg.Tenant, p, again); err != nil {
			return opened, err
		}
		opened++
	}
	return opened, nil
}

// resealConfigurations seals the versions of the configuration anew, and counts those that do not open.
func (c *change) resealConfigurations(newest int) (damaged int, err error) {
	list, err := c.Configurations().SealedBefore(c.engine.cfg.Tenant, newest)
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		plain, err := c.engine.cfg.Sealer.Open(v.Place(), v.Bytes)
		if errors.Is(err, secret.ErrUnknownGeneration) {
			return damaged, fmt.Errorf("sealing the configuration %s anew: %w", v.State, err)
		}
		if err != nil {
			damaged++
			continue
		}
		again, err := c.engine.seal(v.Place(), plain)
		if err != nil {
			return damaged, err
		}
		if err := c.Configurations().Reseal(c.engine.cfg.Tenant, v, again); err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

// fate is what becomes of an old generation of the keys at this moment.
type fate int

const (
	stays fate = iota
	// losesSealing: nothing is sealed under it any more.
	losesSealing
	// turnsIdle: nothing needs it any more, as of now.
	turnsIdle
	// isNeeded: something needs it again.
	isNeeded
	// goes: nothing has needed it for long enough.
	goes
)

// fateOf decides. Whoever seals with a key in the moment of its destruction is refused by the store.
func fateOf(k, newest store.Key, uses store.KeyUses, now time.Time) fate {
	switch idle := !k.IdleSince.IsZero(); {
	case len(k.Sealing) > 0 && !uses.Sealed() && !now.Before(newest.MadeAt.Add(keysSettle)):
		return losesSealing
	case len(k.Sealing) > 0:
		return stays
	case uses.None() && !idle:
		return turnsIdle
	case uses.None() && !now.Before(k.IdleSince.Add(keyRetention)):
		return goes
	case !uses.None() && idle:
		return isNeeded
	}
	return stays
}

// retire does with a generation what is due. It asks first, and writes when there is something to write.
func (e *Engine) retire(ctx context.Context, generation int) error {
	due := stays
	err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		due, err = e.dueFor(tx, generation)
		return err
	})
	if err != nil || due == stays {
		return err
	}
	err = e.update(ctx, txKeyRetired, func(c *change) error {
		due, err := e.dueFor(c, generation)
		if err != nil {
			return err
		}
		keys, tenant := c.Keys(), e.cfg.Tenant
		switch due {
		case losesSealing:
			if err := keys.DestroySealing(tenant, generation); err != nil {
				return err
			}
			return c.recordKey(access.EventKeySealingDestroyed, generation, nil)
		case turnsIdle:
			return keys.SetIdle(tenant, generation, c.Now())
		case isNeeded:
			return keys.SetIdle(tenant, generation, time.Time{})
		case goes:
			if err := keys.Destroy(tenant, generation); err != nil {
				return err
			}
			return c.recordKey(access.EventKeyDestroyed, generation, nil)
		default:
			return nil
		}
	})
	return lost(err)
}

// dueFor finds the fate of a generation; of one that is gone already there is none.
func (e *Engine) dueFor(tx store.Tx, generation int) (fate, error) {
	kept, err := tx.Keys().List(e.cfg.Tenant)
	if err != nil {
		return stays, err
	}
	uses, err := tx.Keys().Uses(e.cfg.Tenant, generation, 1)
	if err != nil {
		return stays, err
	}
	for _, k := range kept {
		if k.Generation == generation {
			return fateOf(k, kept[len(kept)-1], uses, tx.Now()), nil
		}
	}
	return stays, nil
}
