package dev

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// kind is a kind of target that a demo shows beside PostgreSQL, if all that it takes is on the machine: the first look at Curfew
// installs and builds nothing that it can do without.
type kind struct {
	name    string
	present func() bool
	// start starts one, and writes the part of the configuration that is about it.
	start func(context.Context, *folder, io.Writer) (target, error)
}

// kinds lists them.
func kinds() []kind {
	return []kind{kubernetesKind(), ldapKind(), mariaDBKind(), redisKind()}
}

// target is one that runs.
type target interface {
	// offer says what to type to have something of it.
	offer() string
	visitor(*tour) visitor
	stop() error
}

// Targets lists what a tour can be played at on this machine.
func Targets() []string {
	names := []string{Postgres}
	for _, k := range kinds() {
		if k.present() {
			names = append(names, k.name)
		}
	}
	return names
}

// checkTour refuses a tour at a target that the demo will not have.
func checkTour(o Options) error {
	if o.Tour == "" || o.Tour == Postgres {
		return nil
	}
	if o.Data != "" {
		return access.Errorf(access.KindInvalid, "with a folder of its own the demo has PostgreSQL alone: the other servers keep nothing")
	}
	if names := Targets(); !slices.Contains(names, o.Tour) {
		return access.Errorf(access.KindInvalid, "there is no target %q on this machine; there is %s", o.Tour, strings.Join(names, ", "))
	}
	return nil
}

// startOthers starts what is present; for a tour only what it is played at. A demo with a folder of its own has none, because
// these servers forget what they were told, and its books would not.
func startOthers(ctx context.Context, o Options, f *folder) (map[string]target, error) {
	running := map[string]target{}
	if f.keep {
		return running, nil
	}
	for _, k := range kinds() {
		if !k.present() || o.Tour != "" && o.Tour != k.name {
			continue
		}
		fmt.Fprintf(o.Stderr, "Starting a private %s …\n", k.name)
		t, err := k.start(ctx, f, o.Stderr)
		if err != nil {
			return running, fmt.Errorf("the demo's %s: %w", k.name, err)
		}
		running[k.name] = t
	}
	return running, nil
}

// offers say what to type for the targets beside PostgreSQL.
func (d *demo) offers() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.others)) {
		b.WriteString(d.others[name].offer() + "\n")
	}
	return b.String()
}
