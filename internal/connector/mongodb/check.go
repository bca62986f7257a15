package mongodb

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/connector"
)

// Check reads whether the replica set can be reached and used: its roles, the primary's clock, and everything that reading
// back takes.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	health, err := d.check(ctx)
	if err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	return health, nil
}

func (d *driver) check(ctx context.Context) (connector.Health, error) {
	asked := d.clock.Now()
	at, err := d.observer.hello(ctx)
	if err != nil {
		return connector.Health{}, err
	}
	answered := d.clock.Now()
	version, err := d.observer.primary(ctx)
	if err != nil {
		return connector.Health{}, err
	}
	set, err := d.curfew.replicaSet(ctx)
	if err != nil {
		return connector.Health{}, err
	}
	nobody := plan{User: "curfew_", DB: d.config.AuthDatabase, Mark: "curfew check", Set: set}
	if _, err := d.read(ctx, nobody); err != nil {
		return connector.Health{}, err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
		for _, permission := range slices.Sorted(maps.Keys(d.config.Resources[name].Permissions)) {
			errs = append(errs, d.checkRoles(ctx, d.config.Resources[name].Permissions[permission].Roles))
		}
	}
	// Half-way between question and answer is as good a guess as any.
	return connector.Health{Version: "MongoDB " + version, Skew: at.Sub(asked.Add(answered.Sub(asked) / 2))}, errors.Join(errs...)
}
