package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Each count walks a range of an index that holds nothing else, and stops after so many entries. What repeats the
// condition of a partial index is there for the planner.
const (
	countInState = `SELECT count(*) FROM (SELECT 1 FROM grants
		WHERE tenant = $1 AND connector = $2 AND state = $3 AND state <> 'ended' LIMIT $4 + 0) AS counted`
	countOverdue = `SELECT count(*) FROM (SELECT 1 FROM grants
		WHERE tenant = $1 AND connector = $2 AND state = $3 AND state <> 'ended' AND deadline < $4 LIMIT $5 + 0) AS counted`
	countResidual = `SELECT count(*) FROM (SELECT 1 FROM grants
		WHERE tenant = $1 AND connector = $2 AND state = 'revoking' AND state <> 'ended' AND residual_until > $3
		LIMIT $4 + 0) AS counted`
)

func countDue(q store.Queue) string {
	return `SELECT count(*) FROM (SELECT 1 FROM grants
		WHERE tenant = $1 AND connector = $2 AND due_at IS NOT NULL AND due_at <= $3` + queued(q) + ` LIMIT $4 + 0) AS counted`
}

func (t grants) Count(lane store.Lane, now time.Time, limit int) (store.LaneCounts, error) {
	counts := store.LaneCounts{States: map[access.GrantState]int{}, Due: map[store.Queue]int{}}
	at := access.Micros(now)
	for _, state := range access.GrantStates() {
		if state == access.GrantEnded {
			continue
		}
		n, err := t.count(countInState, lane.Tenant, lane.Connector, state, limit)
		if err != nil {
			return store.LaneCounts{}, err
		}
		if n > 0 {
			counts.States[state] = n
		}
		overdue, err := t.count(countOverdue, lane.Tenant, lane.Connector, state, at, limit)
		if err != nil {
			return store.LaneCounts{}, err
		}
		counts.Overdue = min(limit, counts.Overdue+overdue)
	}
	for _, q := range []store.Queue{store.QueueNew, store.QueueLive} {
		n, err := t.count(countDue(q), lane.Tenant, lane.Connector, at, limit)
		if err != nil {
			return store.LaneCounts{}, err
		}
		if n > 0 {
			counts.Due[q] = n
		}
	}
	residual, err := t.count(countResidual, lane.Tenant, lane.Connector, at, limit)
	counts.Residual = residual
	return counts, err
}

func (t grants) count(text string, args ...any) (int, error) {
	return queryOne(t.tx, scanOne[int], nil, text, args...)
}
