package enginetest

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// TakeDue claims what is due in the lane, ten grants at most, as an engine does that is never heard of again.
func TakeDue(tx store.Tx, lane store.Lane, lease string, until time.Time) ([]access.Grant, error) {
	list, err := tx.Grants().Due(lane, tx.Now(), 10)
	for i := range list {
		g := &list[i]
		g.Lease, g.DueAt = lease, until
		if err := tx.Grants().Update(*g); err != nil {
			return nil, err
		}
		g.Version++
	}
	return list, err
}
