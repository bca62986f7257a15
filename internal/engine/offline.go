package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// offlineRemoval is what the journal keeps: access that was taken back, and read back as gone.
type offlineRemoval struct {
	// Event is the ID of the entry that will say so, so that it says so once.
	Event         access.EventID `json:"event"`
	Grant         access.GrantID `json:"grant"`
	ReadAt        time.Time      `json:"read_at"`
	ReadBy        string         `json:"read_by"`
	SessionsEnded int            `json:"sessions_ended"`
}

func (e *Engine) removeOffline(ctx context.Context, conn *connector.Connector, h *handy) (offlineRemoval, error) {
	order, err := e.order(ctx, h.grant, access.Request{})
	if err != nil {
		return offlineRemoval{}, err
	}
	order.ActBy = time.Time{} // taking back may be late
	removal, err := conn.Revoke(ctx, order, h.plan)
	if err != nil {
		return offlineRemoval{}, err
	}
	read := e.standby.now()
	presence, err := conn.Observe(ctx, order, h.plan)
	if err != nil {
		return offlineRemoval{}, err
	}
	if state := presence.State(); state != connector.Absent {
		return offlineRemoval{}, access.Errorf(access.KindUnavailable, "The access was removed, and reading it back shows it as %s.", state)
	}
	return offlineRemoval{
		Event: access.EventID(e.cfg.IDs.New(access.EventPrefix)), Grant: h.grant.ID, ReadAt: read, ReadBy: presence.ReadBy,
		SessionsEnded: removal.SessionsEnded,
	}, nil
}

// Journal keeps records through a crash. Its methods are safe for concurrent use.
type Journal interface {
	// Records lists what was appended since the last Clear.
	Records() ([][]byte, error)
	// Append keeps a record; when it returns nil, the record is durable.
	Append(record []byte) error
	Clear() error
}

// forgetful is the Journal of an Engine that was given none.
type forgetful struct{}

func (forgetful) Records() ([][]byte, error) { return nil, nil }
func (forgetful) Append([]byte) error        { return nil }
func (forgetful) Clear() error               { return nil }

// remember journals a removal. One that cannot be journalled is remembered by this process all the same.
func (s *standby) remember(j Journal, r offlineRemoval) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsettled = append(s.unsettled, r)
	record, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return j.Append(record)
}

// outstanding is the removals that the store has not been told of, those of an earlier process included.
func (s *standby) outstanding(j Journal) ([]offlineRemoval, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded {
		return slices.Clone(s.unsettled), nil
	}
	records, err := j.Records()
	if err != nil {
		return nil, err
	}
	var earlier []offlineRemoval
	for _, record := range records {
		var r offlineRemoval
		if err := json.Unmarshal(record, &r); err != nil {
			return nil, err
		}
		earlier = append(earlier, r)
	}
	s.unsettled, s.loaded = append(earlier, s.unsettled...), true
	return slices.Clone(s.unsettled), nil
}

// settled forgets a removal that the store has been told of. When it was the last, the journal is cleared.
func (s *standby) settled(j Journal, r offlineRemoval) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsettled = slices.DeleteFunc(s.unsettled, func(o offlineRemoval) bool { return o.Event == r.Event })
	if len(s.unsettled) > 0 {
		return nil
	}
	return j.Clear()
}

// settleOffline tells the store what was taken back while it was away. Each grant goes the one way out from there: it
// is taken back again, which finds nothing, and ends when that was read back.
func (e *Engine) settleOffline(ctx context.Context) error {
	list, err := e.standby.outstanding(e.cfg.Journal)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := e.tellOffline(ctx, r); err != nil {
			return err
		}
		if err := e.standby.settled(e.cfg.Journal, r); err != nil {
			return err
		}
	}
	return nil
}

// tellOffline commits one removal, unless it was committed before, or the store does not know the grant: it may have
// been restored.
func (e *Engine) tellOffline(ctx context.Context, r offlineRemoval) error {
	known := false
	err := e.update(ctx, txOffline, func(c *change) error {
		g, err := c.Grants().Get(e.cfg.Tenant, r.Grant)
		if err != nil {
			known = is(err, access.KindNotFound)
			return err
		}
		err = c.recordGrant(g, access.Event{ID: r.Event, Kind: access.EventGrantRemovedOffline, Detail: map[string]string{
			"read_at": r.ReadAt.Format(time.RFC3339Nano), "verified_by": r.ReadBy, "sessions_ended": strconv.Itoa(r.SessionsEnded),
		}})
		if err != nil {
			known = is(err, access.KindConflict)
			return err
		}
		if g.State == access.GrantActivating || g.State == access.GrantActive {
			g.EndReason = access.EndExpired
			g.SessionsEnded += r.SessionsEnded
			c.due(&g)
			return c.beginRevoking(&g, access.Event{})
		}
		return nil
	})
	if known {
		e.cfg.Log.InfoContext(ctx, "the store knows, or does not know the grant", "grant", r.Grant, "error", err)
		return nil
	}
	return err
}
