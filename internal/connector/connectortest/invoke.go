package connectortest

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// invoke makes any one call and keeps only its error. Streams are read to their end.
func invoke(ctx context.Context, d connector.Driver, call connector.Call, o connector.Order, p access.Plan) error {
	var err error
	switch call {
	case connector.CallCheck:
		_, err = d.Check(ctx)
	case connector.CallDiscover:
		for _, e := range d.Discover(ctx) {
			err = e
		}
	case connector.CallPrepare:
		_, err = d.Prepare(ctx, o)
	case connector.CallGrant:
		_, err = d.Grant(ctx, o, p)
	case connector.CallExtend:
		err = d.Extend(ctx, o, p)
	case connector.CallRevoke:
		_, err = d.Revoke(ctx, o, p)
	case connector.CallObserve:
		_, err = d.Observe(ctx, o, p)
	case connector.CallTidy:
		_, err = d.Tidy(ctx, o, p)
	case connector.CallList:
		for _, e := range d.List(ctx) {
			err = e
		}
	}
	return err
}
