package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/store"
)

func testReopen(t *testing.T, open func() store.Store) {
	l := newLibrary()
	s := open()
	update(t, s, l.write)
	sequence(t, s, acme, 10)
	var before, after library
	view(t, s, func(tx store.Tx) (err error) { before, err = readLibrary(tx); return })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	view(t, s, func(tx store.Tx) (err error) { after, err = readLibrary(tx); return })
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(library{})); diff != "" {
		t.Errorf("before (-) and after (+):\n%s", diff)
	}
	// Positions go on where they ended.
	update(t, s, func(tx store.Tx) error { return tx.Events().Append(newEvent(acme, "ev_later")) })
	sequence(t, s, acme, 10)
	rows := listEvents(t, s, store.EventFilter{}, 0, 10)
	if last := rows[len(rows)-1]; last.ID != "ev_later" || last.Position != int64(len(l.events)+1) {
		t.Errorf("the last event is %s at position %d", last.ID, last.Position)
	}
}

func testReopenClock(t *testing.T, open func() store.Store) {
	s := open()
	now, err := s.Now(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	event := newEvent(acme, "ev_1")
	event.At = now.Add(3 * time.Hour)
	update(t, s, func(tx store.Tx) error { return tx.Events().Append(event) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now, err = open().Now(context.Background()); err != nil || now.Before(event.At) {
		t.Errorf("the clock shows %v, %v; the newest event is of %v", now, err, event.At)
	}
}
