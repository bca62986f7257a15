package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// compiler is the phase that sees to the C compiler which the race detector links with: it is there, or is installed on
// Debian as root, or the phase says what to install.
func compiler() phase {
	return phase{name: "C compiler for the race detector", run: func(ctx context.Context, out io.Writer) (counts, error) {
		if path, err := exec.LookPath("gcc"); err == nil {
			fmt.Fprintln(out, path)
			return counts{}, nil
		}
		apt, err := exec.LookPath("apt-get")
		if err != nil || os.Geteuid() != 0 {
			return counts{}, errors.New("the race detector needs a C compiler: install gcc and the headers of the C library")
		}
		for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "gcc", "libc6-dev"}} {
			fmt.Fprintln(out, "apt-get", args)
			cmd := exec.CommandContext(ctx, apt, args...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			cmd.Stderr = out
			if err := cmd.Run(); err != nil {
				return counts{}, fmt.Errorf("apt-get %s: %w", args[0], err)
			}
		}
		return counts{}, nil
	}}
}
