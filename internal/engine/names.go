package engine

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
)

// nameOf is what the directory calls a principal now; empty when it is gone, or has no name.
func (r *Rules) nameOf(ctx context.Context, id access.PrincipalID) (string, error) {
	p, err := r.Directory.Principal(ctx, id)
	if err != nil && !is(err, access.KindNotFound) {
		return "", err
	}
	return p.Name, nil
}

// name adds to requests the names of those whose they are.
func (e *Engine) name(ctx context.Context, views []RequestView) (err error) {
	rules := e.rules.Load()
	known := map[access.PrincipalID]string{}
	for i, v := range views {
		id := v.Request.Principal
		if _, ok := known[id]; !ok {
			if known[id], err = rules.nameOf(ctx, id); err != nil {
				return err
			}
		}
		views[i].Name = known[id]
	}
	return nil
}
