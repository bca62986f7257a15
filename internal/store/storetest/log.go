package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// tile makes a tile with so many hashes.
func tile(level int, number int64, hashes int) store.Tile {
	return store.Tile{
		TileAt: store.TileAt{Level: level, Number: number},
		Hashes: bytes.Repeat([]byte{byte(level), byte(number), 0, 0xff}, hashes*8),
	}
}

func testLog(t *testing.T, s store.Store) {
	head := func(tenant access.TenantID) (h store.LogHead) {
		t.Helper()
		view(t, s, func(tx store.Tx) (err error) {
			h, err = tx.Log().Head(tenant)
			return err
		})
		return h
	}
	advance := func(from int64, to store.LogHead, tiles ...store.Tile) error {
		return s.Update(t.Context(), "test", func(tx store.Tx) error { return tx.Log().Advance(acme, from, to, tiles) })
	}
	if got := head(acme); got.Size != 0 || got.Checkpoint != nil {
		t.Errorf("the head of a log that has not begun: %+v", got)
	}
	first := store.LogHead{Size: 3, Checkpoint: []byte("three\n"), KeyGeneration: 2, At: time.UnixMicro(1_700_000_000_000_001).UTC()}
	second := store.LogHead{Size: 300, Checkpoint: []byte("three hundred\x00\xff"), At: first.At.Add(time.Second)}
	wantKind(t, "going on from what is not there", advance(3, second), access.KindConflict)
	if err := advance(0, first, tile(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "beginning twice", advance(0, second, tile(0, 0, 256)), access.KindConflict)
	wantKind(t, "shrinking", advance(3, store.LogHead{Size: 2, Checkpoint: []byte("two")}), access.KindInvalid)
	if diff := cmp.Diff(first, head(acme)); diff != "" {
		t.Errorf("after two that lost (-want +got):\n%s", diff)
	}
	if err := advance(3, second, tile(0, 0, 256), tile(0, 1, 44), tile(1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "going on from an old head", advance(3, store.LogHead{Size: 400, Checkpoint: []byte("x")}), access.KindConflict)
	if diff := cmp.Diff(second, head(acme)); diff != "" {
		t.Errorf("the second head (-want +got):\n%s", diff)
	}
	if got := head(umbrella); got.Size != 0 {
		t.Errorf("another tenant's log has a head: %+v", got)
	}
	testTiles(t, s)
}

func testTiles(t *testing.T, s store.Store) {
	t.Helper()
	view(t, s, func(tx store.Tx) error {
		want := []store.Tile{tile(1, 0, 1), tile(0, 1, 44), tile(0, 0, 256)}
		got, err := tx.Log().Tiles(acme, want[0].TileAt, want[1].TileAt, want[2].TileAt)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tiles (-want +got):\n%s", diff)
		}
		if got, err := tx.Log().Tiles(acme); err != nil || len(got) != 0 {
			t.Errorf("no tiles: %v, %v", got, err)
		}
		_, err = tx.Log().Tiles(acme, want[0].TileAt, store.TileAt{Number: 2})
		wantKind(t, "a tile that is not there", err, access.KindNotFound)
		_, err = tx.Log().Tiles(umbrella, want[0].TileAt)
		wantKind(t, "another tenant's tile", err, access.KindNotFound)
		return nil
	})
}

func testLeaves(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for _, id := range []access.EventID{"ev_1", "ev_2", "ev_3"} {
			e := newEvent(acme, id)
			if e.Leaf = []byte(id); id != "ev_2" {
				e.MAC = []byte("mac of " + id)
			}
			if err := tx.Events().Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	sequence(t, s, acme, 100)
	want := []store.EventRow{
		{Position: 1, ID: "ev_1", Tenant: acme, Leaf: []byte("ev_1"), MAC: []byte("mac of ev_1")},
		{Position: 2, ID: "ev_2", Tenant: acme, Leaf: []byte("ev_2")},
		{Position: 3, ID: "ev_3", Tenant: acme, Leaf: []byte("ev_3"), MAC: []byte("mac of ev_3")},
	}
	view(t, s, func(tx store.Tx) error {
		for after, limit := int64(0), 3; after <= 3; after++ {
			got, err := tx.Events().Leaves(acme, after, limit)
			if diff := cmp.Diff(want[after:], got); diff != "" && len(got)+len(want[after:]) > 0 || err != nil {
				t.Errorf("behind %d, %v (-want +got):\n%s", after, err, diff)
			}
		}
		if got, err := tx.Events().Leaves(acme, 1, 1); len(got) != 1 || got[0].Position != 2 || err != nil {
			t.Errorf("one behind 1: %+v, %v", got, err)
		}
		if got, err := tx.Events().Leaves(umbrella, 0, 10); len(got) != 0 || err != nil {
			t.Errorf("another tenant's: %+v, %v", got, err)
		}
		return nil
	})
}
