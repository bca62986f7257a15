package config_test

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// standIn is the configuration of a connector type that exists in these tests only. It has a field of every shape that
// a real one may have.
type standIn struct {
	DSN         secret.Ref                   `json:"dsn"`
	Observer    *standInAccount              `json:"observer"`
	Grants      map[string]standInPermission `json:"permissions"`
	Iterations  int                          `json:"iterations"`
	Port        uint16                       `json:"port"`
	Factor      float64                      `json:"factor"`
	KeepObjects bool                         `json:"keep_objects"`
	LockTimeout time.Duration                `json:"lock_timeout"`
	Databases   []string                     `json:"databases"`
	TokenFile   string                       `json:"token_file,omitempty"`
}

type standInAccount struct {
	DSN secret.Ref `json:"dsn"`
}

type standInPermission struct {
	Roles []string `json:"roles"`
}

func standInType() connector.Type {
	return connector.Type{Name: "standin", New: func() connector.Config {
		return &standIn{Iterations: 4096, LockTimeout: 5 * time.Second}
	}}
}

// standInAccounts is a type that gives rights to accounts which people have already.
func standInAccounts() connector.Type {
	t := standInType()
	t.Name, t.Traits.Accounts = "standin-accounts", true
	return t
}

func (s *standIn) PermissionNames() []string { return slices.Collect(maps.Keys(s.Grants)) }

func (s *standIn) Validate() error {
	var errs []error
	if s.DSN == "" {
		errs = append(errs, &connector.FieldError{Path: []string{"dsn"}, Msg: "is missing: write env:NAME or file:PATH"})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Grants)) {
		if len(s.Grants[name].Roles) == 0 {
			errs = append(errs, &connector.FieldError{Path: []string{"permissions", name, "roles"}, Msg: "want at least one role"})
		}
	}
	if s.Iterations < 1 {
		errs = append(errs, errors.New("iterations: want 1 or more"))
	}
	return errors.Join(errs...)
}

func (s *standIn) Open(connector.Env) (connector.Driver, error) {
	return nil, errors.New("the stand-in opens nothing")
}

func options() config.Options {
	return config.Options{Types: []connector.Type{standInType(), standInAccounts()}}
}
