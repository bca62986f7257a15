package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func testCursors(t *testing.T, s store.Store) {
	want := func(what string, tenant access.TenantID, destination string, want store.Cursor) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Cursors().Get(tenant, destination)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
			}
			return nil
		})
	}
	advance := func(destination string, from int64, to store.Cursor) error {
		return s.Update(t.Context(), "test", func(tx store.Tx) error { return tx.Cursors().Advance(acme, destination, from, to) })
	}
	first := store.Cursor{Position: 7, At: time.UnixMicro(1_700_000_000_000_001).UTC()}
	second := store.Cursor{Position: 9, Checkpoint: []byte("nine\x00\xff"), At: first.At.Add(time.Second)}
	want("at first", acme, "nas", store.Cursor{})
	wantKind(t, "going on from what is not there", advance("nas", 7, second), access.KindConflict)
	if err := advance("nas", 0, first); err != nil {
		t.Fatal(err)
	}
	want("after the first", acme, "nas", first)
	wantKind(t, "beginning twice", advance("nas", 0, second), access.KindConflict)
	if err := advance("nas", 7, second); err != nil {
		t.Fatal(err)
	}
	want("after the second", acme, "nas", second)
	wantKind(t, "going on from an old place", advance("nas", 7, store.Cursor{Position: 10, At: first.At}), access.KindConflict)
	want("another destination", acme, "siem", store.Cursor{})
	want("another tenant's", umbrella, "nas", store.Cursor{})
	for what, err := range map[string]error{
		"no name":              advance("", 0, first),
		"a name without end":   advance(strings.Repeat("n", 257), 0, first),
		"going back":           advance("nas", 9, first),
		"staying":              advance("nas", 9, second),
		"before the beginning": advance("siem", -1, first),
		"a large checkpoint":   advance("siem", 0, store.Cursor{Position: 1, Checkpoint: make([]byte, store.MaxCursorCheckpoint+1), At: first.At}),
	} {
		wantKind(t, what, err, access.KindInvalid)
	}
	want("after all that was refused", acme, "nas", second)
}
