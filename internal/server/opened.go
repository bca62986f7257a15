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
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/oidc"
	"github.com/curfewhq/curfew/internal/identity/workload"
	"github.com/curfewhq/curfew/internal/outbound"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/store"
)

// opened is what was opened for one configuration, with its secrets resolved.
type opened struct {
	directory *directory.Directory
	provider  signin.Provider
	scim      []*scim.Source
	// workloads is nil where no workload is trusted.
	workloads  identity.WorkloadVerifier
	connectors map[access.ConnectorName]*connector.Connector
}

// open opens what a configuration names. On an error nothing stays open.
func (s *Server) open(c *config.Config) (o *opened, err error) {
	o = &opened{connectors: map[access.ConnectorName]*connector.Connector{}}
	if o.directory, err = openDirectory(c, s.void, s.store); err != nil {
		return nil, err
	}
	if o.provider, err = openProvider(c, s.clock); err != nil {
		return nil, err
	}
	if o.scim, err = openSCIM(c); err != nil {
		return nil, err
	}
	if len(c.Workloads.Rules) > 0 {
		o.workloads, err = workload.New(workload.Config{Rules: c.Workloads.Rules, Keys: c.Workloads.Keys, Now: s.clock.Now})
		if err != nil {
			return nil, err
		}
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
			Name: cc.Name, Type: cc.Type, Labels: cc.Labels, Owners: cc.Owners, Timeout: cc.Timeout, Concurrency: cc.Concurrency,
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

func openDirectory(c *config.Config, void func(token string) bool, st store.Store) (*directory.Directory, error) {
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
	workloads := make(map[string]access.PrincipalID, len(c.Workloads.Rules))
	for _, r := range c.Workloads.Rules {
		workloads[r.Name] = r.Principal
	}
	accounts := map[string]directory.Accounts{}
	if c.Accounts != nil {
		accounts[c.OIDC.Source] = c.Accounts.Accounts
	}
	return directory.New(directory.Config{
		Entries: entries, Roles: c.Roles, Store: st, Tenant: access.DefaultTenant, Limits: directory.Limits(c.Sessions),
		Workloads: workloads, Accounts: accounts, Sources: c.Sources(),
	})
}

// openProvider makes the identity provider. It is called when somebody signs in, and not before.
func openProvider(c *config.Config, clock access.Clock) (signin.Provider, error) {
	if c.OIDC == nil {
		return signin.Provider{}, nil
	}
	var password string
	if c.OIDC.ClientSecret != "" {
		var err error
		if password, err = c.OIDC.ClientSecret.Resolve(); err != nil {
			return signin.Provider{}, fmt.Errorf("the secret of the identity provider: %w", err)
		}
	}
	claims := oidc.Claims{Groups: c.OIDC.GroupsClaim, NoGroups: c.OIDC.NoGroups, Attributes: c.OIDC.Attributes}
	if c.Accounts != nil {
		// Groups and attributes are those of the source that has the people.
		claims = oidc.Claims{NoGroups: true, Match: c.Accounts.Claim}
	}
	return signin.Provider{Source: c.OIDC.Source, Provider: oidc.New(oidc.Config{
		Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID, ClientSecret: password, Redirect: c.Server.URL + signin.CallbackPath,
		Scopes: c.OIDC.Scopes, HTTP: outbound.NewClient(c.OIDC.Issuer), Now: clock.Now,
		Claims: claims,
	})}, nil
}

// openSCIM makes the sources that write who there is.
func openSCIM(c *config.Config) ([]*scim.Source, error) {
	if c.SCIM == nil {
		return nil, nil
	}
	token, err := c.SCIM.Token.Resolve()
	if err != nil {
		return nil, fmt.Errorf("the token of the source %s: %w", c.SCIM.Source, err)
	}
	source, err := scim.NewSource(access.DefaultTenant, scim.SourceConfig{Name: c.SCIM.Source, Token: token, Attributes: c.SCIM.Attributes})
	return []*scim.Source{source}, err
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

// closing closes what was opened in vain.
func closing(err error, o *opened) error { return errors.Join(err, o.close()) }
