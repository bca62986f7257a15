package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// claimModel is the law of due grants in its plainest form: a list in memory. Each run has a tenant of its own, so that
// all of them share one store.
type claimModel struct {
	store  store.Store
	tenant access.TenantID
	now    time.Time
	grants []access.Grant
}

// testClaimModel runs random sequences of operations on the store and on the model, and compares what they answer.
func testClaimModel(t *testing.T, s store.Store) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &claimModel{store: s, tenant: access.TenantID(fmt.Sprintf("tenant-%d", runs)), now: at(0)}
		m.update(rt, func(tx store.Tx) error { return tx.Requests().Insert(newRequest(m.tenant, "req_1")) })
		rt.Repeat(map[string]func(*rapid.T){
			"":       m.check,
			"insert": m.insert,
			"claim":  m.claim,
			"change": m.change,
			"lanes":  m.lanes,
			"wait":   func(rt *rapid.T) { m.now = m.now.Add(drawSpan(rt, "wait")) },
		})
	})
}

func drawSpan(rt *rapid.T, label string) time.Duration {
	return time.Duration(rapid.IntRange(0, 20).Draw(rt, label)) * time.Microsecond
}

func (m *claimModel) drawLane(rt *rapid.T) store.Lane {
	return store.Lane{
		Tenant:    m.tenant,
		Connector: rapid.SampledFrom([]access.ConnectorName{"one", "two"}).Draw(rt, "connector"),
	}
}

// drawDue is a time around now, or never.
func (m *claimModel) drawDue(rt *rapid.T) time.Time {
	if rapid.IntRange(0, 3).Draw(rt, "never") == 0 {
		return time.Time{}
	}
	return m.now.Add(drawSpan(rt, "due") - 10*time.Microsecond)
}

func (m *claimModel) update(rt *rapid.T, fn func(store.Tx) error) {
	if err := m.store.Update(context.Background(), "model", fn); err != nil {
		rt.Fatalf("Update: %v", err)
	}
}

func (m *claimModel) insert(rt *rapid.T) {
	g := newGrant(newRequest(m.tenant, "req_1"), access.GrantID(fmt.Sprintf("gr_%03d", len(m.grants))))
	g.Entitlement.Connector, g.DueAt = m.drawLane(rt).Connector, m.drawDue(rt)
	m.update(rt, func(tx store.Tx) error { return tx.Grants().Insert(g) })
	m.grants = append(m.grants, g)
}

func (m *claimModel) claim(rt *rapid.T) {
	lane, limit := m.drawLane(rt), rapid.IntRange(1, 4).Draw(rt, "limit")
	lease, end := rapid.StringMatching(`w[0-9]`).Draw(rt, "lease"), m.now.Add(time.Microsecond+drawSpan(rt, "lease"))

	var due []*access.Grant
	for i := range m.grants {
		g := &m.grants[i]
		if g.Entitlement.Connector == lane.Connector && !g.DueAt.IsZero() && !g.DueAt.After(m.now) {
			due = append(due, g)
		}
	}
	slices.SortFunc(due, func(a, b *access.Grant) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	var want []access.Grant
	for _, g := range due[:min(limit, len(due))] {
		g.Lease, g.DueAt, g.Version = lease, end, g.Version+1
		want = append(want, *g)
	}

	var got []access.Grant
	m.update(rt, func(tx store.Tx) (err error) {
		got, err = takeDue(tx, lane, m.now, lease, end, limit)
		return err
	})
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("claimed (-want +got):\n%s", diff)
	}
}

// change updates a grant as a worker would that has it in hand, or as one would that holds an older version.
func (m *claimModel) change(rt *rapid.T) {
	if len(m.grants) == 0 {
		return
	}
	g := &m.grants[rapid.IntRange(0, len(m.grants)-1).Draw(rt, "grant")]
	next := *g
	next.State = rapid.SampledFrom(access.GrantStates()).Draw(rt, "state")
	next.DueAt, next.Lease = m.drawDue(rt), ""
	next.Version -= int64(rapid.IntRange(0, 1).Draw(rt, "stale"))
	legal := next.Version == g.Version && (next.State == g.State || g.State.CanBecome(next.State))

	err := m.store.Update(context.Background(), "model", func(tx store.Tx) error { return tx.Grants().Update(next) })
	switch {
	case legal && err != nil:
		rt.Fatalf("%s → %s: %v", g.State, next.State, err)
	case !legal && access.KindOf(err) != access.KindConflict:
		rt.Fatalf("%s → %s at version %d of %d: got %v, want a conflict", g.State, next.State, next.Version, g.Version, err)
	case legal:
		*g = next
		g.Version++
	}
}

// check compares when each lane is due next.
func (m *claimModel) check(rt *rapid.T) {
	want := map[access.ConnectorName]time.Time{}
	for _, g := range m.grants {
		c := g.Entitlement.Connector
		if !g.DueAt.IsZero() && (want[c].IsZero() || g.DueAt.Before(want[c])) {
			want[c] = g.DueAt
		}
	}
	m.view(rt, func(tx store.Tx) error {
		for _, connector := range []access.ConnectorName{"one", "two"} {
			due, err := tx.Grants().NextDue(store.Lane{Tenant: m.tenant, Connector: connector})
			if err != nil {
				return err
			}
			if !due.Equal(want[connector]) {
				rt.Fatalf("lane %s is due at %v; want %v", connector, due, want[connector])
			}
		}
		return nil
	})
}

// lanes compares which lanes there are. The answer grows with every run, so it is not asked after every step.
func (m *claimModel) lanes(rt *rapid.T) {
	var want, got []store.Lane
	for _, g := range m.grants {
		if g.State != access.GrantEnded || !g.DueAt.IsZero() {
			want = append(want, store.Lane{Tenant: m.tenant, Connector: g.Entitlement.Connector})
		}
	}
	slices.SortFunc(want, func(a, b store.Lane) int { return cmp.Compare(a.Connector, b.Connector) })
	m.view(rt, func(tx store.Tx) (err error) { got, err = tx.Grants().Lanes(); return })
	got = slices.DeleteFunc(got, func(l store.Lane) bool { return l.Tenant != m.tenant })
	if diff := gocmp.Diff(slices.Compact(want), got, cmpopts.EquateEmpty()); diff != "" {
		rt.Fatalf("lanes (-want +got):\n%s", diff)
	}
}

func (m *claimModel) view(rt *rapid.T, fn func(store.Tx) error) {
	if err := m.store.View(context.Background(), fn); err != nil {
		rt.Fatalf("View: %v", err)
	}
}
