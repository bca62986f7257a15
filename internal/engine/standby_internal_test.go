package engine

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// What this node makes or extends while the store is read is newer than what was read.
func TestKeptWhileTheStoreIsRead(t *testing.T) {
	s := newStandby()
	now := time.Now()
	ends := func(id access.GrantID, in time.Duration) access.Grant {
		return access.Grant{ID: id, Deadline: now.Add(in)}
	}
	err := s.refresh(now, func() (map[access.GrantID]*handy, error) {
		s.keep(ends("made", time.Minute), access.Plan{})
		s.keep(ends("extended", time.Hour), access.Plan{})
		return map[access.GrantID]*handy{"extended": {grant: ends("extended", time.Minute)}, "old": {grant: ends("old", time.Minute)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[access.GrantID]bool{"made": true, "extended": false, "old": true} {
		if _, ok := s.atHand[id]; ok != want {
			t.Errorf("%s is at hand: %t, want %t", id, ok, want)
		}
	}
}
