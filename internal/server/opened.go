package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// opened is what was opened for one configuration, with its secrets resolved.
type opened struct {
	directory  *directory.Directory
	connectors map[access.ConnectorName]*connector.Connector
}

// open opens what a configuration names. On an error nothing stays open.
func (s *Server) open(c *config.Config) (o *opened, err error) {
	o = &opened{connectors: map[access.ConnectorName]*connector.Connector{}}
	if o.directory, err = openDirectory(c, s.void); err != nil {
		return nil, err
	}
	for _, cc := range c.Connectors {
		driver, err := cc.Config.Open(connector.Env{Name: cc.Name, Clock: s.clock})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connector %s: %w", cc.Name, err), o.close())
		}
		if s.options.WrapDriver != nil {
			driver = s.options.WrapDriver(cc.Name, driver)
		}
		secrets, err := redactor(cc)
		if err != nil {
			return nil, errors.Join(err, driver.Close(), o.close())
		}
		options := connector.Options{
			Name: cc.Name, Type: cc.Type, Labels: cc.Labels, Timeout: cc.Timeout, Concurrency: cc.Concurrency,
			Rate: cc.Rate, Reconcile: cc.Reconcile, Clock: s.clock, Observer: s.telemetry, Secrets: secrets,
		}
		if cc.Account != nil {
			options.Account = cc.Account
		}
		o.connectors[cc.Name] = connector.New(driver, options)
	}
	return o, nil
}

// redactor takes the secrets of a connector out of what its target says.
func redactor(c config.Connector) (secret.Redactor, error) {
	var values []string
	for _, ref := range c.Secrets {
		value, err := ref.Resolve()
		if err != nil {
			return secret.Redactor{}, fmt.Errorf("connector %s: %w", c.Name, err)
		}
		values = append(values, value)
	}
	return secret.NewRedactor(values...), nil
}

func openDirectory(c *config.Config, void func(token string) bool) (*directory.Directory, error) {
	var entries []directory.Entry
	for _, p := range c.Principals {
		e := directory.Entry{Principal: p.Principal}
		if p.Token != "" {
			token, err := p.Token.Resolve()
			if err != nil {
				return nil, fmt.Errorf("the token of %s: %w", p.ID, err)
			}
			e.Token, e.Void = token, void(token)
		}
		entries = append(entries, e)
	}
	return directory.New(entries, c.Roles)
}

// rules are what the engine goes by under this configuration.
func (o *opened) rules(c *config.Config) engine.Rules {
	return engine.Rules{
		Directory: o.directory, Connectors: o.connectors, Policies: c.PolicySet, Bundles: c.Bundles, Digest: rulesDigest(c),
	}
}

// rulesDigest tells what decides here from what might decide otherwise: another text, or another program. It is empty where
// the configuration was not read from files.
func rulesDigest(c *config.Config) string {
	if c.Digest == "" {
		return ""
	}
	program := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		program = info.String()
	}
	sum := sha256.Sum256([]byte(c.Digest + "\n" + program))
	return hex.EncodeToString(sum[:])
}

// lanes are those of the connectors in force.
func (s *Server) lanes() []store.Lane {
	var lanes []store.Lane
	for _, name := range slices.Sorted(maps.Keys(s.opened.Load().connectors)) {
		lanes = append(lanes, store.Lane{Tenant: access.DefaultTenant, Connector: name})
	}
	return lanes
}

func (o *opened) close() error {
	var errs []error
	for name, c := range o.connectors {
		if err := c.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the connector %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
