package localpeer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockFile says, in the server's folder, how far its clock is from the machine's.
const clockFile = "clock"

var errNoClock = errors.New("the server was started without a clock of its own (PostgresOptions.OwnClock)")

// ShiftClock sets the server's clock so far from the machine's: it jumps there while the server runs, in each of its
// processes within a second of that process's time.
func (p *Postgres) ShiftClock(by time.Duration) error {
	if !p.options.OwnClock {
		return errNoClock
	}
	// In one step, for the server reads the file again and again.
	path := p.folder.join(clockFile)
	if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%+.3f\n", by.Seconds()), 0o600); err != nil {
		return err
	}
	return errors.Join(give(path+".new", p.recipe.account), os.Rename(path+".new", path))
}

// makeClock gives the server the clock that it was asked for.
func (p *Postgres) makeClock(ctx context.Context) error {
	if !p.options.OwnClock {
		return nil
	}
	library, err := findFakeTime(ctx, p.options.Progress)
	if err != nil {
		return err
	}
	// It stands between the server and the machine's clock. Time that elapses is left alone.
	const yes = "=1"
	p.recipe.environment = []string{
		"LD_PRELOAD=" + library, "FAKETIME_TIMESTAMP_FILE=" + p.folder.join(clockFile),
		"FAKETIME_CACHE_DURATION" + yes, "FAKETIME_DONT_FAKE_MONOTONIC" + yes, "DONT_FAKE_MONOTONIC" + yes, "NO_FAKE_STAT" + yes,
	}
	return p.ShiftClock(0)
}

// findFakeTime finds the library, and installs Debian's where it is missing and that can be done.
func findFakeTime(ctx context.Context, progress io.Writer) (string, error) {
	if _, err := NeedProgram(ctx, progress, "faketime", "faketime"); err != nil {
		return "", err
	}
	for _, folder := range []string{"lib/*", "lib", "lib" + strconv.Itoa(strconv.IntSize)} {
		found, _ := filepath.Glob("/usr/" + folder + "/faketime/libfaketime.so.1") // the patterns are constant
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", errors.New("there is faketime without its library libfaketime.so.1: install it (Debian: apt-get install libfaketime)")
}
