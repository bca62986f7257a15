package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// newKey is a generation with every field set.
func newKey(tenant access.TenantID, generation int) store.Key {
	return store.Key{
		Tenant: tenant, MadeAt: at(generation), IdleSince: at(generation + 1),
		WrappedKeys: secret.WrappedKeys{
			Generation: generation, Wrapper: "file 0123", Sealing: []byte{1, 0, byte(generation)},
			Authentication: []byte{2, 0, byte(generation)},
		},
	}
}

func insertKeys(tx store.Tx, keys ...store.Key) error {
	for _, k := range keys {
		if err := tx.Keys().Insert(k); err != nil {
			return err
		}
	}
	return nil
}

func sealedBy(generation int, b []byte) store.Sealed {
	return store.Sealed{Generation: generation, Bytes: b}
}

// listKeys reads a tenant's generations.
func listKeys(t testing.TB, s store.Store, tenant access.TenantID) (keys []store.Key) {
	t.Helper()
	view(t, s, func(tx store.Tx) (err error) { keys, err = tx.Keys().List(tenant); return err })
	return keys
}

// refused wants a change to be access.KindConflict.
func refused(t testing.TB, s store.Store, what string, fn func(store.Tx) error) {
	t.Helper()
	wantKind(t, what, s.Update(context.Background(), "refused", fn), access.KindConflict)
}

func testKeyGenerations(t *testing.T, s store.Store) {
	refused(t, s, "a second generation before the first", func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 2)) })
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 1), newKey(umbrella, 1), newKey(acme, 2)) })
	for _, n := range []int{0, 1, 2, 4} {
		refused(t, s, "a generation that is not the next", func(tx store.Tx) error { return insertKeys(tx, newKey(acme, n)) })
	}
	update(t, s, func(tx store.Tx) error {
		if err := tx.Keys().DestroySealing(acme, 1); err != nil {
			return err
		}
		return tx.Keys().Destroy(acme, 1)
	})
	refused(t, s, "a generation that is gone", func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 1)) })
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 3)) })
	refused(t, s, "the sealing key of the newest", func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 3) })
	refused(t, s, "the newest", func(tx store.Tx) error { return tx.Keys().Destroy(acme, 3) })
	update(t, s, func(tx store.Tx) error { return tx.Keys().SetIdle(acme, 2, time.Time{}) })
	second := newKey(acme, 2)
	second.IdleSince = time.Time{}
	if diff := cmp.Diff([]store.Key{second, newKey(acme, 3)}, listKeys(t, s, acme)); diff != "" {
		t.Errorf("the keys (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]store.Key{newKey(umbrella, 1)}, listKeys(t, s, umbrella)); diff != "" {
		t.Errorf("another tenant's keys (-want +got):\n%s", diff)
	}
}

func testRewrap(t *testing.T, s store.Store) {
	was := newKey(acme, 1)
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, was, newKey(acme, 2)) })
	now := was
	now.Wrapper, now.Sealing, now.Authentication = "passphrase", []byte("again"), []byte("and again")
	update(t, s, func(tx store.Tx) error { return tx.Keys().Rewrap(was, now) })
	if diff := cmp.Diff([]store.Key{now, newKey(acme, 2)}, listKeys(t, s, acme)); diff != "" {
		t.Errorf("the keys (-want +got):\n%s", diff)
	}
	refused(t, s, "what is wrapped anew already", func(tx store.Tx) error { return tx.Keys().Rewrap(was, now) })
	update(t, s, func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 1) })
	refused(t, s, "a key that was destroyed meanwhile", func(tx store.Tx) error { return tx.Keys().Rewrap(now, was) })
	destroyed := now
	destroyed.Sealing = nil
	update(t, s, func(tx store.Tx) error {
		again := destroyed
		again.Authentication = []byte("once more")
		return tx.Keys().Rewrap(destroyed, again)
	})
}

func testSealsNoMore(t *testing.T, s store.Store) {
	_, grants := seed(t, s, acme, 1)
	id := grants[0].ID
	put := func(generation int) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Plans().Put(acme, id, sealedBy(generation, []byte("plan"))) }
	}
	refused(t, s, "a plan before there are keys", put(1))
	update(t, s, func(tx store.Tx) error {
		return insertKeys(tx, newKey(acme, 1), newKey(umbrella, 1), newKey(umbrella, 2))
	})
	update(t, s, put(1))
	refused(t, s, "a plan that another tenant's key has sealed", put(2))
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 2)) })
	update(t, s, put(1)) // a node that has not heard of the second yet
	update(t, s, put(2))
	update(t, s, func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 1) })
	refused(t, s, "a plan of a key that is destroyed", put(1))
	update(t, s, func(tx store.Tx) error { return tx.Keys().Destroy(acme, 1) })
	refused(t, s, "a plan of a generation that is gone", put(1))
	view(t, s, func(tx store.Tx) error {
		if got, err := tx.Plans().Get(acme, id); err != nil || string(got) != "plan" {
			t.Errorf("the plan is %q, %v", got, err)
		}
		return nil
	})
}

func testReseal(t *testing.T, s store.Store) {
	_, grants := seed(t, s, acme, 3)
	update(t, s, func(tx store.Tx) error {
		if err := insertKeys(tx, newKey(acme, 1), newKey(acme, 2), newKey(acme, 3)); err != nil {
			return err
		}
		for i, generation := range []int{2, 1, 3} {
			if err := tx.Plans().Put(acme, grants[i].ID, sealedBy(generation, []byte(grants[i].ID))); err != nil {
				return err
			}
		}
		return nil
	})
	older := func(limit int) (list []store.SealedPlan) {
		view(t, s, func(tx store.Tx) (err error) { list, err = tx.Plans().SealedBefore(acme, 3, limit); return err })
		return list
	}
	want := []store.SealedPlan{
		{Grant: grants[1].ID, Sealed: sealedBy(1, []byte(grants[1].ID))}, {Grant: grants[0].ID, Sealed: sealedBy(2, []byte(grants[0].ID))},
	}
	if diff := cmp.Diff(want, older(10)); diff != "" {
		t.Errorf("sealed by older generations (-want +got):\n%s", diff)
	}
	if n := len(older(1)); n != 1 {
		t.Errorf("%d plans, and 1 was asked for", n)
	}
	was, now := want[0], sealedBy(3, []byte("sealed again"))
	refused(t, s, "another tenant's plan", func(tx store.Tx) error { return tx.Plans().Reseal(umbrella, was, now) })
	refused(t, s, "a generation that is not there", func(tx store.Tx) error { return tx.Plans().Reseal(acme, was, sealedBy(4, now.Bytes)) })
	update(t, s, func(tx store.Tx) error { return tx.Plans().Reseal(acme, was, now) })
	refused(t, s, "a plan that was sealed again meanwhile", func(tx store.Tx) error { return tx.Plans().Reseal(acme, was, now) })
	if diff := cmp.Diff(want[1:], older(10)); diff != "" {
		t.Errorf("sealed by older generations, after that (-want +got):\n%s", diff)
	}
}

// testKeyUses has one thing after the other need the generation 1, and tries to destroy it.
func testKeyUses(t *testing.T, s store.Store) {
	l := newLibrary()
	lane := laneOf(l.grant)
	update(t, s, func(tx store.Tx) error {
		l.grant.MarkGeneration = 0
		return l.write(tx)
	})
	holder := newGrant(l.request, "gr_2")
	holder.MarkGeneration = 1
	update(t, s, func(tx store.Tx) error {
		if err := tx.Grants().Insert(holder); err != nil {
			return err
		}
		atom, _, err := tx.Atoms().Lease(lane, newAtom("reader"), "gr_2", tx.Now().Add(time.Hour))
		if err != nil {
			return err
		}
		atom.Maker, atom.MarkGeneration = "gr_2", 1
		if err := tx.Atoms().Settle(atom); err != nil {
			return err
		}
		if err := tx.Atoms().Hold(lane, l.grant.ID, []access.Atom{newAtom("reader")}); err != nil {
			return err
		}
		return tx.Restores().Insert(newRestore(umbrella, 1)) // another tenant's
	})
	uses := func(want store.KeyUses) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Keys().Uses(acme, 1, 10)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what needs the generation (-want +got):\n%s", diff)
			}
			return err
		})
	}
	destroy := func(tx store.Tx) error { return tx.Keys().Destroy(acme, 1) }
	destroySealing := func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 1) }

	uses(store.KeyUses{Plans: 1, Grants: 1, Rights: 1})
	refused(t, s, "the sealing key of a plan", destroySealing)
	refused(t, s, "the generation of a plan", destroy)
	update(t, s, func(tx store.Tx) error { return tx.Plans().Put(acme, l.grant.ID, sealedBy(2, []byte("again"))) })
	uses(store.KeyUses{Grants: 1, Rights: 1})
	update(t, s, destroySealing)
	refused(t, s, "a sealing key for a second time", destroySealing)
	refused(t, s, "the generation of a grant's mark", destroy)

	update(t, s, func(tx store.Tx) (err error) { // ended, and still to be tidied
		if holder, err = advance(tx, holder, access.GrantEnded); err != nil {
			return err
		}
		holder.DueAt = at(60)
		err = tx.Grants().Update(holder)
		holder.Version++
		return err
	})
	uses(store.KeyUses{Grants: 1, Rights: 1})
	refused(t, s, "the generation of a grant that is to be tidied", destroy)
	update(t, s, func(tx store.Tx) error {
		holder.DueAt = time.Time{}
		return tx.Grants().Update(holder)
	})
	uses(store.KeyUses{Rights: 1})
	refused(t, s, "the generation of the mark on a right that another grant holds", destroy)
	update(t, s, func(tx store.Tx) error { return tx.Atoms().Drop(acme, l.grant.ID) })
	uses(store.KeyUses{})
	testLogNeedsKeys(t, s, uses)
	update(t, s, func(tx store.Tx) error { return tx.Restores().Insert(newRestore(acme, 1)) })
	uses(store.KeyUses{Restores: 1})
	refused(t, s, "the generation of a restore", destroy)
	refused(t, s, "the newest generation's sealing key", func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 2) })
	refused(t, s, "the newest generation", func(tx store.Tx) error { return tx.Keys().Destroy(acme, 2) })
}

// testLogNeedsKeys has the log need the generation 1: first for an entry, then for the head.
func testLogNeedsKeys(t *testing.T, s store.Store, uses func(store.KeyUses)) {
	t.Helper()
	destroy := func(tx store.Tx) error { return tx.Keys().Destroy(acme, 1) }
	append := func(id access.EventID, generation int) func(store.Tx) error {
		return func(tx store.Tx) error {
			e := newEvent(acme, id)
			e.MAC, e.MACGeneration = []byte("mac"), generation
			return tx.Events().Append(e)
		}
	}
	var size int64
	advance := func(to int64, generation int) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			head := store.LogHead{Size: to, Checkpoint: []byte("signed"), KeyGeneration: generation, At: tx.Now()}
			return tx.Log().Advance(acme, size, head, []store.Tile{tile(0, 0, int(to))})
		})
		size = to
	}
	wantKind(t, "an entry under a generation that is not kept", s.Update(t.Context(), "late", append("ev_late", 3)), access.KindUnavailable)
	sequence(t, s, acme, 100) // what was logged before has no MACs
	update(t, s, append("ev_k1", 1))
	uses(store.KeyUses{Log: 1})
	refused(t, s, "the generation of an entry without a position", destroy)
	sequence(t, s, acme, 100)
	update(t, s, append("ev_k2", 2))
	uses(store.KeyUses{Log: 1})
	refused(t, s, "the generation of an entry that the tree does not have", destroy)
	sequence(t, s, acme, 100)
	var newest store.EventRow
	view(t, s, func(tx store.Tx) (err error) { newest, err = tx.Events().Newest(acme); return err })
	advance(newest.Position-1, 1)
	uses(store.KeyUses{Log: 1})
	refused(t, s, "the generation that has signed the head", destroy)
	advance(newest.Position, 0)
	uses(store.KeyUses{Log: 1}) // nobody knows which has
	refused(t, s, "a generation that may have signed the head", destroy)
	update(t, s, append("ev_k3", 0))
	update(t, s, append("ev_k4", 1))
	uses(store.KeyUses{Log: 3})
	sequence(t, s, acme, 100)
	advance(newest.Position+2, 2)
	uses(store.KeyUses{})
}
