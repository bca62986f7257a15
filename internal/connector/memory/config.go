package memory

import (
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// traits are what is true of every target of this package.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, NativeExpiry: true, EndsSessions: true}
}

// Type is the connector type "memory". Each Open makes a target of its own, which nobody else can reach.
func Type() connector.Type {
	return connector.Type{Name: "memory", Traits: traits(), New: func() connector.Config { return new(Config) }}
}

// Type is the connector type "memory" whose drivers all work on this target.
func (t *Target) Type() connector.Type {
	typ := Type()
	typ.New = func() connector.Config { return &Config{target: t} }
	return typ
}

// GroupType is the connector type "memory-groups" of that provenance, connector.MarkedRight or connector.BareRight, whose
// drivers make existing accounts members of groups on this target.
func (t *Target) GroupType(p connector.Provenance) connector.Type {
	return connector.Type{
		Name:   "memory-groups",
		Traits: connector.Traits{Provenance: p, Accounts: true, NoCredential: true},
		New:    func() connector.Config { return &Config{target: t, membership: p} },
	}
}

// Config is the configuration of a connector of this type.
type Config struct {
	// Resources are what can be asked for: permissions by the name of the resource. A target that exists already keeps
	// those that it has.
	Resources map[string][]string `json:"resources,omitempty" jsonschema:"description=The permissions of each resource"`

	target *Target
	// membership is the provenance of a target with groups.
	membership connector.Provenance
}

// Validate checks the names.
func (c *Config) Validate() error {
	for _, name := range slices.Sorted(maps.Keys(c.Resources)) {
		if err := access.ValidateResourceName(name); err != nil {
			return &connector.FieldError{Path: []string{"resources", name}, Msg: err.Error()}
		}
		if len(c.Resources[name]) == 0 {
			return &connector.FieldError{Path: []string{"resources", name}, Msg: "name at least one permission"}
		}
		for _, permission := range c.Resources[name] {
			// The connector's name is not known here, and not in question.
			e := access.Entitlement{Connector: "memory", Resource: name, Permission: permission}
			if err := e.Validate(); err != nil {
				return &connector.FieldError{Path: []string{"resources", name}, Msg: err.Error()}
			}
		}
	}
	return nil
}

// Open makes a driver, and the target unless there is one.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	t := c.target
	if t == nil {
		t = NewTarget(Options{Name: string(env.Name), Clock: env.Clock})
	}
	for name, permissions := range c.Resources {
		t.AddResource(access.Resource{Name: name, Permissions: slices.Clone(permissions)})
	}
	if c.membership != "" {
		return t.GroupDriver(env.Clock, c.membership), nil
	}
	return t.Driver(env.Clock), nil
}
