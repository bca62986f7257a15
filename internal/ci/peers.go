package main

import (
	"context"
	"errors"
	"io"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// builtPeers is the phase that builds the servers which no package brings, unless an earlier run has. It takes minutes, in which a test
// would seem to hang.
func builtPeers() phase {
	return phase{name: "servers that are built from source", run: func(ctx context.Context, out io.Writer) (counts, error) {
		return counts{}, errors.Join(localpeer.BuildKubernetes(ctx, out), localpeer.BuildFerretDB(ctx, out), localpeer.BuildDex(ctx, out),
			localpeer.FetchOIDCProvider(ctx, out), localpeer.FetchAxe(ctx, out))
	}}
}
