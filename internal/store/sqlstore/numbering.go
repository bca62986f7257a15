package sqlstore

import (
	"maps"

	"github.com/curfewhq/curfew/internal/access"
)

// numbering gives the events of one commit their positions: each as it is written, behind the last of its tenant. A
// tenant that has events without a position, because they were written before numbering was the commit's, is numbered at
// the end of the commit instead, so many of its oldest as were appended. The nil numbering numbers nothing.
type numbering struct {
	// last is the last position of each tenant that is numbered as it writes.
	last map[access.TenantID]int64
	// late counts what was appended by each of the others.
	late map[access.TenantID]int
}

func newNumbering() *numbering {
	return &numbering{last: map[access.TenantID]int64{}, late: map[access.TenantID]int{}}
}

// next is the position for the tenant's next event, or nil, for SQL's NULL. It is taken with appended.
func (n *numbering) next(t *tx, tenant access.TenantID) (any, error) {
	if n == nil {
		return nil, nil
	}
	if _, late := n.late[tenant]; late {
		return nil, nil
	}
	if _, known := n.last[tenant]; !known {
		waiting, err := queryOne(t, scanOne[int64], nil, `SELECT EXISTS (SELECT 1 FROM events WHERE tenant = $1 AND position IS NULL)`, tenant)
		if err != nil {
			return nil, err
		}
		if waiting > 0 {
			n.late[tenant] = 0
			return nil, nil
		}
		last, err := queryOne(t, scanOne[int64], nil, `SELECT coalesce(max(position), 0) FROM events WHERE tenant = $1 AND position IS NOT NULL`, tenant)
		if err != nil {
			return nil, err
		}
		n.last[tenant] = last
	}
	return n.last[tenant] + 1, nil
}

// appended notes that an event was written with the position that next gave.
func (n *numbering) appended(tenant access.TenantID) {
	if n == nil {
		return
	}
	if _, late := n.late[tenant]; late {
		n.late[tenant]++
	} else {
		n.last[tenant]++
	}
}

// finish numbers what could not be numbered when it was written.
func (n *numbering) finish(t *tx) error {
	if n == nil {
		return nil
	}
	for tenant, left := range n.late {
		for left > 0 {
			numbered, err := t.Events().Sequence(tenant, left)
			if err != nil {
				return err
			}
			if numbered == 0 {
				break // nothing is without a position any more
			}
			left -= numbered
		}
	}
	return nil
}

// clone remembers where it stands, for rollBack.
func (n *numbering) clone() numbering {
	if n == nil {
		return numbering{}
	}
	return numbering{last: maps.Clone(n.last), late: maps.Clone(n.late)}
}

// rollBack takes back what was noted since the clone was made.
func (n *numbering) rollBack(to numbering) {
	if n != nil {
		*n = to
	}
}
