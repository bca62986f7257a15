package localpeer

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// axePeer is how axe-core is had: a script that finds in a page what keeps people from using it.
func axePeer() nodePeer { return nodePeer{name: "axe-core"} }

// FetchAxe fetches axe-core, unless that was done before.
func FetchAxe(ctx context.Context, progress io.Writer) error {
	_, err := axePeer().need(ctx, progress)
	return err
}

// Axe is the text of axe-core 4, to be run in a page.
func Axe(ctx context.Context, progress io.Writer) (script string, err error) {
	command, err := axePeer().need(ctx, progress)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("axe-core: %w", err)
	}
	return string(out), nil
}
