package scim

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// settleStep is of how many users one transaction tells.
	settleStep = 100
	// lookAgain is how often Run looks for what another node has left, and pause how long it waits after a failure.
	lookAgain = 5 * time.Second
)

// settle tells the directory of the first users in the queue.
func (s *Server) settle(tx store.Tx, enter func(access.Event) error, src *Source) error {
	waiting, err := tx.StaleUsers().Next(src.Source, settleStep)
	if err != nil {
		return err
	}
	for _, one := range waiting {
		if err := s.tellAgain(tx, enter, src, one.User); err != nil {
			return err
		}
	}
	return nil
}

// tellAgain tells of a user in the queue, and takes them out of it. Of who is not active, all that there is to tell was told.
func (s *Server) tellAgain(tx store.Tx, enter func(access.Event) error, src *Source, user string) error {
	v, err := tx.Provisioned().Get(src.Source, store.ProvisionedUser, user)
	if err != nil {
		return err
	}
	doc, err := resource.Stored(v.Document)
	if err != nil {
		return err
	}
	if active(doc) {
		a, err := src.account(tx, v, doc)
		if err != nil {
			return err
		}
		if _, err := s.Registrar.Tell(tx, enter, src.Name, a); err != nil {
			return err
		}
	}
	return tx.StaleUsers().Remove(src.Source, user)
}

// wake has Run look into the queue.
func (s *Server) wake() {
	select {
	case s.stale <- struct{}{}:
	default: // it will
	}
}

// Run tells the directory of all whom changes have left in the queue, those too that a process which died has left, until ctx
// ends. Of a source that is new to it, it tells of everybody: what becomes of a user may have been configured anew.
func (s *Server) Run(ctx context.Context) {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	var known []*Source
	for ctx.Err() == nil {
		sources := s.Sources()
		err := s.tellOf(ctx, sources, known)
		if err == nil {
			known = sources
		} else if ctx.Err() == nil {
			s.Log.WarnContext(ctx, "people whose groups have changed wait to be told of", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-s.stale:
		case <-ticker.C:
		}
	}
}

// tellOf puts everybody of the sources that are not known into the queues, and empties these.
func (s *Server) tellOf(ctx context.Context, sources, known []*Source) error {
	for _, src := range sources {
		if !slices.Contains(known, src) {
			if err := s.everybody(ctx, src); err != nil {
				return err
			}
		}
		if err := s.empty(ctx, src); err != nil {
			return err
		}
	}
	return nil
}

// empty tells of all in the queue of a source.
func (s *Server) empty(ctx context.Context, src *Source) error {
	for more := true; more; {
		err := s.Store.View(ctx, func(tx store.Tx) error {
			waiting, err := tx.StaleUsers().Next(src.Source, 1)
			more = len(waiting) > 0
			return err
		})
		if err != nil || !more {
			return err
		}
		err = s.Books.Change(ctx, Transaction, func(tx store.Tx, enter func(access.Event) error) error {
			return s.settle(tx, enter, src)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// everybody puts all users of a source into its queue.
func (s *Server) everybody(ctx context.Context, src *Source) error {
	for after := ""; ; {
		var users []string
		err := s.Books.Change(ctx, Transaction, func(tx store.Tx, _ func(access.Event) error) error {
			page, err := tx.Provisioned().List(src.Source, store.ProvisionedUser, store.ProvisionedFilter{}, store.Stretch{After: after, Limit: settleStep})
			if err != nil {
				return err
			}
			users = make([]string, len(page))
			for i, v := range page {
				users[i] = v.ID
			}
			return tx.StaleUsers().Add(src.Source, false, users)
		})
		if err != nil || len(users) < settleStep {
			return err
		}
		after = users[len(users)-1]
	}
}
