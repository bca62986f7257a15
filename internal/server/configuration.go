package server

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/config"
)

// followEvery is how often a node looks for a version of the configuration that another has put in force.
const followEvery = 5 * time.Second

// byHand is what the operator can do where nobody else can.
const byHand = "take the files over by hand, with curfewd config approve -c FILE --reason TEXT"

// nowServes notes which configuration is served.
func (s *Server) nowServes(c *config.Config) {
	s.config = c
	s.serving.Store(&c.Digest)
}

// choose says, at the start, what is to become of what the files say, and which configuration is served: that, or the one in
// force while that waits.
func (s *Server) choose(ctx context.Context, c *config.Config) (changecontrol.Plan, *config.Config, error) {
	plan, err := s.plan(ctx, c)
	if err != nil {
		return plan, nil, access.Wrap(access.KindMisconfigured, err, "the configuration cannot be held against the one in force; put that back, or "+byHand)
	}
	if !plan.Waits() {
		return plan, c, nil
	}
	inForce, err := s.control.InForce(ctx)
	if err != nil {
		return plan, nil, err
	}
	old, err := s.readKept(inForce, true)
	if err != nil {
		return plan, nil, access.Wrap(access.KindMisconfigured, err,
			"the configuration waits for an administrator, and the one in force cannot be served: put back what that needs, or "+byHand)
	}
	return plan, old, nil
}

// plan says what is to become of a configuration.
func (s *Server) plan(ctx context.Context, c *config.Config) (changecontrol.Plan, error) {
	v, err := versionOf(c)
	if err != nil {
		return changecontrol.Plan{}, err
	}
	if s.options.OwnProposer {
		return s.control.Order(ctx, v, changecontrol.ByItself, "")
	}
	return s.control.Consider(ctx, v)
}

// enter notes what was decided at the start. When another node was quicker, it is decided anew.
func (s *Server) enter(ctx context.Context, plan changecontrol.Plan) error {
	err := s.control.Carry(ctx, plan)
	if access.KindOf(err) == access.KindConflict && err != nil {
		_, err = s.Propose(ctx, s.here.Load())
		return err
	}
	if err == nil {
		s.tell(ctx, plan)
	}
	return err
}

// tell says in the log what became of a configuration, where nobody was asked or somebody must be.
func (s *Server) tell(ctx context.Context, plan changecontrol.Plan) {
	switch {
	case plan.Waits():
		s.log.WarnContext(ctx, "the configuration waits for an administrator, and the one before is served: see curfew config", "digest", plan.Digest,
			"in_force", plan.Before, "widens", len(plan.Judgement.Widened), "needs", plan.Judgement.Needs())
	case plan.Way == changecontrol.SingleAdministrator:
		s.log.WarnContext(ctx, "the configuration gives the only administrator more, and was taken over, since nobody else could agree: name a second one",
			"digest", plan.Digest, "in_force_before", plan.Before)
	}
}

// proposeTries is how often a proposal is made anew that another node has overtaken.
const proposeTries = 3

// Propose proposes another configuration: directory, roles, connectors, bundles, policies and where the audit log goes, with
// secrets read anew. It is taken over, unless it gives an administrator more than they have: then it waits until others have
// agreed, and what is in force is served on. On an error everything stays as it was.
func (s *Server) Propose(ctx context.Context, c *config.Config) (waits bool, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if here := s.here.Load(); c.Server != here.Server || c.Store != here.Store {
		return false, errors.New("the sections server and store are read at the start only: restart curfewd, or take their change back")
	}
	for try := 1; ; try++ {
		waits, err = s.propose(ctx, c)
		if err == nil || access.KindOf(err) != access.KindConflict || try == proposeTries {
			return waits, err
		}
	}
}

func (s *Server) propose(ctx context.Context, c *config.Config) (waits bool, err error) {
	plan, err := s.plan(ctx, c)
	if err != nil {
		return false, err
	}
	if !plan.Waits() {
		if err := s.take(ctx, c, func() error { return s.control.Carry(ctx, plan) }); err != nil {
			return false, err
		}
		s.here.Store(c)
		s.tell(ctx, plan)
		return false, nil
	}
	if err := s.control.Carry(ctx, plan); err != nil {
		return false, err
	}
	s.here.Store(c)
	s.tell(ctx, plan)
	return true, s.follow(ctx)
}

// follow serves the version in force, with secrets read anew.
func (s *Server) follow(ctx context.Context) error {
	v, err := s.control.InForce(ctx)
	if err != nil {
		return err
	}
	c, err := s.readKept(v, true)
	if err != nil {
		return err
	}
	return s.take(ctx, c, func() error { return nil })
}

// settle takes over the version that waits, once enough have approved it. When that fails it waits on, and nothing is lost.
func (s *Server) settle(ctx context.Context) error {
	v, err := s.control.Waiting(ctx)
	if err != nil {
		return ignoreMissing(err)
	}
	plan, err := s.control.Consider(ctx, v)
	if err != nil || plan.Waits() {
		return err
	}
	c, err := s.readKept(v, true)
	if err != nil {
		return err
	}
	if err := s.take(ctx, c, func() error { return s.control.Carry(ctx, plan) }); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "the configuration was taken over", "policies", c.PolicySet.Digest(), "by", string(plan.Way))
	s.tell(ctx, plan)
	return nil
}

func ignoreMissing(err error) error {
	if access.KindOf(err) == access.KindNotFound {
		return nil
	}
	return err
}

// watchConfiguration begins to look for what other nodes, and administrators there, put in force.
func (s *Server) watchConfiguration() {
	ctx, cancel := context.WithCancel(context.Background())
	s.endWatch, s.watched = cancel, make(chan struct{})
	go func() {
		defer close(s.watched)
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.look(ctx)
			}
		}
	}()
}

// look brings this node to what is in force, or should be.
func (s *Server) look(ctx context.Context) {
	d, err := s.control.Digests(ctx)
	if err != nil {
		return // the store is away; others say so
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	switch {
	case d.InForce != "" && d.InForce != s.config.Digest:
		if err = s.follow(ctx); err == nil {
			s.log.InfoContext(ctx, "the configuration was taken over", "policies", s.config.PolicySet.Digest(), "by", "what is in force")
		}
	case d.Approvals > 0:
		err = s.settle(ctx)
	}
	s.noteTrouble(ctx, err)
}

// noteTrouble keeps what keeps a version from being taken over, and logs it once.
func (s *Server) noteTrouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if before := s.trouble.Swap(&text); err != nil && (before == nil || *before != text) {
		s.log.ErrorContext(ctx, "the configuration was not taken over; the old one stays in force", "error", err)
	}
}
