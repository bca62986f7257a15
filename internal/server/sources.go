package server

import (
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/identity/ldap"
	"github.com/curfewhq/curfew/internal/ldapdial"
)

// openSources makes what reads the sources of people that a configuration names, with their secrets resolved.
func (s *Server) openSources(c *config.Config, registrar *directory.Registrar) (*directory.Sync, error) {
	o := directory.SyncConfig{Registrar: registrar, Holder: s.holder, Log: s.log}
	if c.LDAP != nil {
		source, err := openLDAP(*c.LDAP, s.clock)
		if err != nil {
			return nil, fmt.Errorf("the directory %s (directory.ldap): %w", c.LDAP.Source, err)
		}
		o.Sources = append(o.Sources, directory.Synced{Name: c.LDAP.Source, Lister: source, Every: c.LDAP.Every, MaxLoss: c.LDAP.MaxLoss})
	}
	return directory.NewSync(o), nil
}

func openLDAP(c config.LDAP, clock access.Clock) (*ldap.Source, error) {
	password, err := c.Password.Resolve()
	if err != nil {
		return nil, err
	}
	trust, err := ldapdial.Trust(c.Directory.Server.URL, c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	c.Directory.Server.Password, c.Directory.Server.TLS = password, trust
	return ldap.New(c.Directory, clock.Now), nil
}

// readSources begins to read, in place of what read before.
func (s *Server) readSources(next *directory.Sync) {
	if before := s.sources.Swap(next); before != nil {
		before.Stop()
	}
	next.Start()
}
