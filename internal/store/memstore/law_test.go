package memstore_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

func TestLaw(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		s := memstore.New(access.SystemClock{})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return s
	})
}
