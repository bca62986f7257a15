package server

import (
	"context"
	"fmt"
	"os"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/directory"
)

// Wait returns when ctx ends or the server can no longer serve.
func (s *Server) Wait(ctx context.Context) error { return s.WaitReloading(ctx, nil, nil) }

// WaitReloading is Wait that proposes the configuration which load reads, each time that it is told to. One that cannot
// be taken over is logged as an error, and the old one stays.
func (s *Server) WaitReloading(ctx context.Context, told <-chan os.Signal, load func() (*config.Config, error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.served:
			return fmt.Errorf("serving: %w", err)
		case <-told:
		}
		c, err := load()
		waits := false
		if err == nil {
			waits, err = s.Propose(ctx, c)
		}
		switch {
		case err != nil:
			s.log.ErrorContext(ctx, "the configuration was not taken over; the old one stays in force", "error", err)
		case !waits:
			s.log.InfoContext(ctx, "the configuration was taken over", "policies", c.PolicySet.Digest())
		}
	}
}

// prepared is what was opened for a configuration that is not served yet.
type prepared struct {
	config  *config.Config
	opened  *opened
	carries *delivery.Service
	reads   *directory.Sync
}

// prepare opens all that a configuration names. On an error nothing stays open.
func (s *Server) prepare(ctx context.Context, c *config.Config) (p prepared, err error) {
	p.config = c
	if p.opened, err = s.open(c); err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			err = closing(err, p.opened)
		}
	}()
	if p.carries, err = s.openDelivery(c); err != nil {
		return p, err
	}
	if p.reads, err = s.openSources(c, s.registrar); err != nil {
		return p, err
	}
	return p, s.engine.Accepts(ctx, p.opened.rules(c))
}

// take serves another configuration from now on. commit is called when all is open and nothing is served of it yet: its error
// ends it. On an error everything stays as it was. The caller holds changing.
func (s *Server) take(ctx context.Context, c *config.Config, commit func() error) error {
	next, err := s.prepare(ctx, c)
	if err != nil {
		return err
	}
	if err := commit(); err != nil {
		return closing(err, next.opened)
	}
	// It refuses only if a grant has begun behind a connector that goes, since it was looked: whoever watches tries again.
	if err := s.engine.Reload(ctx, next.opened.rules(c)); err != nil {
		return closing(err, next.opened)
	}
	before := s.opened.Swap(next.opened)
	s.nowServes(c)
	s.telemetry.VoidTokens(next.opened.directory.VoidTokens())
	s.runner.Sync()
	s.deliver(next.carries)
	s.readSources(next.reads)
	// A call that is cut short by this is made again, through the connectors that replace these.
	if err := before.close(); err != nil {
		s.log.WarnContext(ctx, "closing the connectors of the old configuration", "error", err)
	}
	return nil
}
