package main

import (
	"context"
	"fmt"
	"io"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// compiler is the phase that sees to the C compiler which the race detector links with: it is there, or is installed on
// Debian as root, or the phase says what to install.
func compiler() phase {
	return phase{name: "C compiler for the race detector", run: func(ctx context.Context, out io.Writer) (counts, error) {
		path, err := localpeer.NeedProgram(ctx, out, "gcc", "gcc", "libc6-dev")
		if err != nil {
			return counts{}, err
		}
		fmt.Fprintln(out, path)
		return counts{}, nil
	}}
}
