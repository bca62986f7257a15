package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/curfewhq/curfew/internal/config"
)

// Wait returns when ctx ends or the server can no longer serve.
func (s *Server) Wait(ctx context.Context) error { return s.WaitReloading(ctx, nil, nil) }

// WaitReloading is Wait that takes over the configuration which load reads, each time that it is told to. One that cannot
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
		if err == nil {
			err = s.Reload(ctx, c)
		}
		if err != nil {
			s.log.ErrorContext(ctx, "the configuration was not taken over; the old one stays in force", "error", err)
			continue
		}
		s.log.InfoContext(ctx, "the configuration was taken over", "policies", c.PolicySet.Digest())
	}
}

// Reload takes over another configuration: directory, roles, connectors, bundles, policies and where the audit log goes,
// with secrets read anew. On an error everything stays as it was. It is not for concurrent use.
func (s *Server) Reload(ctx context.Context, c *config.Config) error {
	if c.Server != s.config.Server || c.Store != s.config.Store {
		return errors.New("the sections server and store are read at the start only: restart curfewd, or take their change back")
	}
	next, err := s.open(c)
	if err != nil {
		return err
	}
	carries, err := s.openDelivery(c)
	if err != nil {
		return errors.Join(err, next.close())
	}
	if err := s.engine.Reload(ctx, next.rules(c)); err != nil {
		return errors.Join(err, next.close())
	}
	before := s.opened.Swap(next)
	s.config = c
	s.telemetry.VoidTokens(next.directory.VoidTokens())
	s.runner.Sync()
	s.deliver(carries)
	// A call that is cut short by this is made again, through the connectors that replace these.
	if err := before.close(); err != nil {
		s.log.WarnContext(ctx, "closing the connectors of the old configuration", "error", err)
	}
	return nil
}
