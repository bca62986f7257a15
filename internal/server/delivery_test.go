package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/audit"
)

// witnessed has an installation keep its checkpoints in a file of that name, in a folder of its own.
func (in *installation) witnessed(name string) (path string) {
	in.Helper()
	path = filepath.Join(in.folder, "witness", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		in.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(in.folder, "curfew.yaml"))
	if err != nil {
		in.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "audit:")
	in.write("curfew.yaml", fmt.Sprintf("%saudit: {witnesses: [{name: nas, file: %s, every: 1s}]}\n", before, path))
	return path
}

// kept are the checkpoints in a witness's file.
func (in *installation) kept(path string) (notes []string) {
	in.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		in.Fatal(err)
	}
	for _, note := range audit.SplitCheckpoints(text) {
		notes = append(notes, string(note))
	}
	return notes
}

// says waits until the log of the server has a text.
func (in *installation) says(text string) {
	in.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(in.log.String(), text) {
		select {
		case <-deadline:
			in.Fatalf("the log does not say %q:\n%s", text, in.log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestWitnessOfAServer: what a witness's file has when a server stops is what the log is verified against, and a log that was
// begun anew under the same configuration is noticed.
func TestWitnessOfAServer(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			in := newInstallation(t, target(t, 15), kind)
			path := in.witnessed("checkpoints")
			in.start()
			in.ask("alice-1", "read")
			in.ask("alice-1", "write")
			in.stop()
			kept := in.kept(path)
			r := in.verify(true, kept...)
			if len(r.Problems) > 0 || r.Entries == 0 || r.InTree != r.Entries {
				t.Errorf("%+v", r)
			}
			if newest := r.Checkpoints[len(r.Checkpoints)-1]; newest.Size != r.Entries || newest.Signed != "yes" {
				t.Errorf("of %d entries the witness has %+v", r.Entries, newest)
			}

			in.lose()
			for _, name := range []string{"key", "key.head", "key.journal"} {
				_ = os.Remove(filepath.Join(in.folder, name))
			}
			in.start()
			in.ask("alice-1", "read")
			in.says("one of the two was rewritten")
			if now := in.kept(path); !slices.Equal(now, kept) {
				t.Errorf("the witness's file has become %q", now)
			}
			if status, body := in.call("carol-1", "GET", "/metrics", ""); status != 200 || !strings.Contains(body, `curfew_witness_disagrees{destination="nas"} 1`) {
				t.Errorf("%d\n%s", status, body)
			}

			others := in.witnessed("others")
			if _, err := in.server.Propose(t.Context(), in.config()); err != nil {
				t.Fatal(err)
			}
			in.stop()
			if r := in.verify(true, in.kept(others)...); len(r.Problems) > 0 || r.InTree == 0 || len(r.Checkpoints) < 2 {
				t.Errorf("after a reload: %+v", r)
			}
		})
	}
}

func TestNoWitnessIsSaid(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	in.start()
	in.says("the audit log has no witness")
	in.witnessed("checkpoints")
	if _, err := in.server.Propose(t.Context(), in.config()); err != nil {
		t.Fatal(err)
	}
	in.says("is on the file system of the store")
	in.stop()
}
