package simulation

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// books is the store as a node reaches it: each transaction may be held up before and after it, may fail, and may be
// committed while its answer is lost, or long after the wait for it has ended.
type books struct {
	store.Store
	world *World
}

// Update implements store.Store.
func (b *books) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	w, t := b.world, taskOf(ctx)
	w.moment(t, "is about to commit %s", name)
	if w.storeDown || w.choose.chance(w.habits.storeFails) {
		return w.trouble(t, "store fails", access.Errorf(access.KindUnavailable, "The store cannot write."))
	}
	if w.choose.chance(w.habits.lateCommit) {
		w.sched.start("store: "+string(name), nil, func(ctx context.Context) {
			w.pause(taskOf(ctx))
			_ = w.commit(ctx, taskOf(ctx), name, fn) // nobody is there to be told
		})
		return w.trouble(t, "store commits late", access.Errorf(access.KindTimeout, "The outcome of the transaction is unknown."))
	}
	if err := w.commit(ctx, t, name, fn); err != nil {
		return err
	}
	if w.choose.chance(w.habits.answerLost) {
		return w.trouble(t, "store's answer lost", access.Errorf(access.KindTimeout, "The outcome of the transaction is unknown."))
	}
	return nil
}

// commit runs a transaction on the store itself. One that a store runs again mints the same identifiers again.
func (w *World) commit(ctx context.Context, t *task, name store.TxName, fn func(store.Tx) error) error {
	minted := w.ids.n
	err := w.books.Update(ctx, name, func(tx store.Tx) error {
		w.ids.n = minted
		return fn(tx)
	})
	if err != nil {
		w.refused(t, name, err)
		return err
	}
	w.reached["commit "+string(name)]++
	w.changed = true
	w.moment(t, "has committed %s", name)
	return nil
}

// View implements store.Store.
func (b *books) View(ctx context.Context, fn func(store.Tx) error) error {
	w, t := b.world, taskOf(ctx)
	if w.storeDown || w.choose.chance(w.habits.storeFails) {
		return w.trouble(t, "store fails", access.Errorf(access.KindUnavailable, "The store cannot read."))
	}
	return b.Store.View(ctx, fn)
}

// Now implements store.Store.
func (b *books) Now(ctx context.Context) (time.Time, error) {
	if b.world.storeDown {
		return time.Time{}, b.world.trouble(taskOf(ctx), "store fails", access.Errorf(access.KindUnavailable, "The store does not answer."))
	}
	return b.Store.Now(ctx)
}

// refused notes what the store said no to, and who thereby lost the race for a grant after having acted on it.
func (w *World) refused(t *task, name store.TxName, err error) {
	t.refused = true
	if name == "turn" {
		w.reached["turn of another"]++
	}
	w.trace.add(t.name, "is refused %s: %s", name, access.KindOf(err))
	if (name == "activated" || name == "issued") && access.KindOf(err) == access.KindConflict && len(t.granted) > 0 {
		w.reached["lost race"]++
		last := t.granted[len(t.granted)-1]
		last.lost, last.troubles = true, t.troubles
	}
}
