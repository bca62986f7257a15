package config

import (
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
)

// Bounds of connectors and of what they may be told about their calls.
const (
	maxConnectors  = 1000
	maxConcurrency = 1000
	maxRate        = 10000
	minReconcile   = 10 * time.Second
	maxReconcile   = 24 * time.Hour
	maxLabelBytes  = 256
)

// PermissionLister is implemented by the configuration of a connector type whose permissions are named there. It lets
// a misspelt permission be found when the file is read, not when somebody asks.
type PermissionLister interface {
	// PermissionNames lists them in any order.
	PermissionNames() []string
}

// connectors decodes each connector by its type.
func (a *assembly) connectors() []Connector {
	section := a.written.Connectors
	if section == nil {
		return nil
	}
	if section.kind != kindMapping {
		a.refuse(section, "connectors are %s: want a mapping of names to connectors", section.kind)
		return nil
	}
	if len(section.entries) > maxConnectors {
		a.refuse(section, "%d connectors are more than %d", len(section.entries), maxConnectors)
		return nil
	}
	connectors := make([]Connector, 0, len(section.entries))
	for _, e := range section.entries {
		if e.value.kind != kindMapping && !keyLike.MatchString(e.key.text) {
			a.refuse(e.key, "a connector is %s: want a name, and under it a mapping with type and the keys of that type", e.value.kind)
			continue
		}
		e.key.public = true
		name := access.ConnectorName(e.key.text)
		if name.Validate() != nil {
			a.c.add(e.key.at, "connector %s: want 1 to 63 of a-z 0-9 -", quote(e.key.text))
		}
		connectors = append(connectors, a.connector(name, e.value))
	}
	return connectors
}

func (a *assembly) connector(name access.ConnectorName, n *node) Connector {
	c := Connector{Name: name}
	where := join("connectors", string(name))
	if n.kind != kindMapping {
		a.refuse(n, "%s is %s: want a mapping with type and the keys of that type", where, n.kind)
		return c
	}
	var ok bool
	if c.Type, ok = a.typeOf(name, n); !ok {
		// Without the type nothing is known about the other keys, not even whether they are secret.
		for _, e := range n.entries {
			e.key.public = keyLike.MatchString(e.key.text)
		}
		n.incomplete = true
		return c
	}
	c.Config = c.Type.New()
	var common connectorSchema
	before := len(a.secrets)
	a.decodeStructs(n, where, reflect.ValueOf(&common).Elem(), reflect.ValueOf(c.Config).Elem())
	for _, s := range a.secrets[before:] {
		c.Secrets = append(c.Secrets, s.ref)
	}
	c.Labels = common.Labels
	c.Owners = connector.Owners{
		All: a.owners(keyPath("connectors", string(name), "owners"), common.Owners), Of: a.resourceOwners(name, common.ResourceOwners),
	}
	a.limits(&c, common)
	c.Account = a.accountRule(name, c.Type, common.Account)
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		if len(key)+len(c.Labels[key]) > maxLabelBytes {
			a.complain(keyPath("connectors", string(name), "labels", key), "a label has at most %d bytes", maxLabelBytes)
		}
	}
	if !n.damaged() {
		a.validate(c)
	}
	return c
}

// typeLike is what the name of a type looks like, be it misspelt.
var typeLike = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,63}$`)

// typeOf finds the type that a connector names.
func (a *assembly) typeOf(name access.ConnectorName, n *node) (connector.Type, bool) {
	word, exact := n.find("type")
	if !exact || word.kind != kindText {
		a.complain(keyPath("connectors", string(name), "type"), "connector %s has no type: write one, as in type: postgres", quote(string(name)))
		return connector.Type{}, false
	}
	var built []string
	for _, t := range a.types {
		if t.Name == word.text {
			word.public = true
			return t, true
		}
		built = append(built, t.Name)
	}
	// What is no name of a type may be a secret that slipped there.
	if word.public = typeLike.MatchString(word.text); !word.public && !word.bad {
		a.refuse(word, "the type of connector %s is not the name of one%s", quote(string(name)), a.nearOr("", built, "built:"))
	}
	if word.bad {
		return connector.Type{}, false
	}
	a.refuse(word, "connector type %s is not built yet%s", quote(word.text), a.nearOr(word.text, built, "built:"))
	return connector.Type{}, false
}

// limits takes the bounds of the driver's calls. Absent leaves them to package connector; zero would mean a connector
// that can revoke nothing.
func (a *assembly) limits(c *Connector, common connectorSchema) {
	if t := common.Timeout; t != nil {
		c.Timeout = *t
		if *t < time.Second || *t > connector.MaxTimeout {
			a.complain(keyPath("connectors", string(c.Name), "timeout"), "timeout %s: want 1s to 10m", *t)
		}
	}
	if n := common.Concurrency; n != nil {
		c.Concurrency = *n
		if *n < 1 || *n > maxConcurrency {
			a.complain(keyPath("connectors", string(c.Name), "concurrency"), "concurrency %d: want 1 to %d calls at once", *n, maxConcurrency)
		}
	}
	if every := common.Reconcile; every != nil {
		c.Reconcile = *every
		if *every < minReconcile || *every > maxReconcile {
			a.complain(keyPath("connectors", string(c.Name), "reconcile"), "reconcile %s: want 10s to 24h", *every)
		}
	}
	if r := common.Rate; r != nil {
		c.Rate = *r
		if *r <= 0 || *r > maxRate {
			a.complain(keyPath("connectors", string(c.Name), "rate"), "rate %g: want more than 0 and at most %d calls a second", *r, maxRate)
		}
	}
}

// accountRule compiles the rule for accounts, which some types need and to others means nothing.
func (a *assembly) accountRule(name access.ConnectorName, typ connector.Type, text string) *policy.AccountRule {
	at := keyPath("connectors", string(name), "account")
	switch {
	case !typ.Traits.Accounts && text != "":
		a.complain(at, "connectors of type %s ask for no account, so that this would have no effect: remove it", quote(typ.Name))
	case typ.Traits.Accounts && text == "":
		a.complain(at, "connectors of type %s give access to accounts that people have already: say which is whose, as in account: 'principal.attributes.db_user'", quote(typ.Name))
	}
	if text == "" {
		return nil
	}
	rule, err := policy.CompileAccountRule(text)
	if wrong, ok := errors.AsType[*policy.AccountRuleError](err); ok {
		a.complainWithin(at, wrong.Line, wrong.Column, wrong.Msg)
	} else if err != nil {
		a.complain(at, "%v", err)
	}
	return rule
}

// validate asks the type.
func (a *assembly) validate(c Connector) {
	for _, err := range flatten(c.Config.Validate()) {
		at := keyPath("connectors", string(c.Name))
		msg := err.Error()
		if field, ok := errors.AsType[*connector.FieldError](err); ok {
			at = append(at, field.Path...)
			msg = field.Error()
		}
		a.complain(at, "connector %s: %s", quote(string(c.Name)), msg)
	}
}

// flatten takes a joined error apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}
