package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// lateBooks are the engine's, which is made after it was decided what it goes by.
type lateBooks struct{ *Server }

// Change implements changecontrol.Books.
func (b lateBooks) Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error {
	return b.engine.Change(ctx, name, fn)
}

// judge reads versions as this machine would, and compares them by what sources of people tell now.
type judge struct{ *Server }

// Judge implements changecontrol.Judge.
func (j judge) Judge(ctx context.Context, inForce, next changecontrol.Version) (changecontrol.Judgement, error) {
	now, err := j.readKept(inForce, false)
	if err != nil {
		return changecontrol.Judgement{}, fmt.Errorf("the configuration in force: %w", err)
	}
	then, err := j.readKept(next, false)
	if err != nil {
		return changecontrol.Judgement{}, fmt.Errorf("the configuration that was proposed: %w", err)
	}
	told, err := j.administering(ctx, now, then)
	if err != nil {
		return changecontrol.Judgement{}, err
	}
	out := changecontrol.Judgement{Administrators: now.Administrators(told)}
	for _, w := range config.Widened(now, then, told) {
		out.Widened = append(out.Widened, changecontrol.Widening(w))
	}
	return out, nil
}

// administering are the principals that sources tell of who administer by one of the configurations, and all that share a
// person with an administrator.
func (s *Server) administering(ctx context.Context, configurations ...*config.Config) ([]access.Principal, error) {
	sources, err := directory.New(directory.Config{Store: s.store, Tenant: access.DefaultTenant})
	if err != nil {
		return nil, err
	}
	var told []access.Principal
	add := func(selector policy.Selector) error {
		list, err := sources.Members(ctx, selector)
		for _, p := range list {
			if !slices.ContainsFunc(told, func(other access.Principal) bool { return other.ID == p.ID }) {
				told = append(told, p)
			}
		}
		return err
	}
	for _, c := range configurations {
		for _, selector := range c.Roles[access.RoleAdmin] {
			if err := add(selector); err != nil {
				return nil, err
			}
		}
	}
	persons := map[access.PersonID]bool{}
	for _, c := range configurations {
		for _, admin := range c.Administering(told) {
			persons[admin.Person] = true
		}
	}
	for person := range persons {
		if err := add(policy.Selector("person:" + string(person))); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// versionOf is a configuration as it is kept.
func versionOf(c *config.Config) (changecontrol.Version, error) {
	text, err := c.Text.Keep()
	return changecontrol.Version{Digest: c.Digest, Text: text}, err
}

// readKept reads a version as it would be on this machine.
func (s *Server) readKept(v changecontrol.Version, resolve bool) (*config.Config, error) {
	text, err := config.ReadKept(v.Text)
	if err != nil {
		return nil, err
	}
	return config.LoadKept(text, s.here.Load(), config.Options{Types: all.ConnectorTypes(), ResolveSecrets: resolve})
}
