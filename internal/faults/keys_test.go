package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// envRotate makes the test binary curfewd keys rotate: it names the configuration.
const envRotate = "CURFEW_FAULTS_ROTATE"

// rotateIfChild does not return in such a child.
func rotateIfChild() {
	path := os.Getenv(envRotate)
	if path == "" {
		return
	}
	if err := rotateKeys(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func rotateKeys(path string) error {
	ctx := context.Background()
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes()})
	if err != nil {
		return err
	}
	keys, err := server.OpenKeys(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(keys.Rotate(ctx, os.Stderr), keys.Close())
}

// rotation is curfewd keys rotate as a child. ended is closed when it has ended, with err.
type rotation struct {
	*exec.Cmd
	said  syncbuf.Buffer
	ended chan struct{}
	err   error
}

func (w *world) startRotation() *rotation {
	w.Helper()
	r := &rotation{Cmd: exec.CommandContext(w.ctx, os.Args[0]), ended: make(chan struct{})} //nolint:gosec // this very program
	r.Env = append(os.Environ(), envRotate+"="+w.company.Config(), envStore+"="+w.storeDSN, envTarget+"="+w.target.AccountDSN())
	r.Stderr = &r.said
	if err := r.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		r.err = r.Wait()
	}()
	return r
}

// rotated waits for its end.
func (w *world) rotated(r *rotation) {
	w.Helper()
	<-r.ended
	if r.err != nil {
		w.Fatalf("curfewd keys rotate: %v: %s", r.err, r.said.String())
	}
}

// begins waits until it has made a generation of the keys.
func (w *world) begins(r *rotation, generation int) {
	w.Helper()
	w.until("the command begins", func() error {
		select {
		case <-r.ended:
			w.Fatalf("curfewd keys rotate ended instead: %v: %s", r.err, r.said.String())
		default:
		}
		if !strings.Contains(r.said.String(), fmt.Sprintf("Generation %d ", generation)) {
			return errNotYet
		}
		return nil
	})
}

// TestKeysRotateOnSQLite rotates the keys beside the one node that has the store, kills both in the middle of it, and
// rotates once more.
func TestKeysRotateOnSQLite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 15})})
	n := w.addNode(curfewdtest.ProcessOptions{})
	w.rotateUnderLoad(func() { n.process().Kill(); n.start() })
}

// TestKeysRotateOnPostgres does so beside two nodes, of which one is killed.
func TestKeysRotateOnPostgres(t *testing.T) {
	t.Parallel()
	target := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18})
	w := newWorld(t, plan{target: target, store: target.Postgres})
	w.addNode(curfewdtest.ProcessOptions{})
	n := w.addNode(curfewdtest.ProcessOptions{})
	w.rotateUnderLoad(func() { n.process().Kill(); n.start() })
}

// rotateUnderLoad rotates three times while people ask and give back: once undisturbed, once with the command killed as
// soon as it has begun, and a node too, and once to finish that and begin anew.
func (w *world) rotateUnderLoad(killNode func()) {
	w.Helper()
	l := w.startLoad()
	l.more(30)
	w.rotated(w.startRotation())
	l.more(12)
	killed := w.startRotation()
	w.begins(killed, 3)
	if err := killed.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	<-killed.ended
	killNode()
	l.more(12)
	w.rotated(w.startRotation()) // which ends the one that was cut short, or makes the next
	l.more(12)
	l.finish()
	w.verdict()
	w.onlyTheNewestSeals()
}

// onlyTheNewestSeals: no row is of an old generation, the old sealing keys are gone, every plan opens, and no node ever
// met with one that did not, which the verdict has looked for in the logs.
func (w *world) onlyTheNewestSeals() {
	w.Helper()
	s, err := w.books(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = s.View(w.ctx, func(tx store.Tx) error {
		kept, err := tx.Keys().List(access.DefaultTenant)
		if err != nil {
			return err
		}
		newest := kept[len(kept)-1].Generation
		if newest < 3 {
			w.Errorf("there were %d generations of the keys, and two rotations", newest)
		}
		for _, k := range kept[:len(kept)-1] {
			if len(k.Sealing) > 0 {
				w.Errorf("the sealing key of generation %d is still there", k.Generation)
			}
		}
		older, err := tx.Plans().SealedBefore(access.DefaultTenant, newest, 1)
		if len(older) > 0 {
			w.Errorf("the plan of grant %s is sealed by generation %d", older[0].Grant, older[0].Generation)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	w.allPlansOpen(s)
}

// allPlansOpen opens every plan with the key file, as the next start would.
func (w *world) allPlansOpen(s store.Store) {
	w.Helper()
	books, err := curfewdtest.ReadBooks(w.ctx, s)
	if err != nil {
		w.Fatal(err)
	}
	sealer := w.openSealer(s, books.Installation)
	opened := 0
	err = s.View(w.ctx, func(tx store.Tx) error {
		opened = 0
		for id, g := range books.Grants {
			sealed, err := tx.Plans().Get(access.DefaultTenant, id)
			if access.KindOf(err) == access.KindNotFound && err != nil && g.ActivatedAt.IsZero() {
				continue // it never began
			}
			if err != nil {
				return err
			}
			if _, err := sealer.Open(secret.Place{Table: "plans", Row: string(id), Column: "sealed", Version: 1}, sealed); err != nil {
				return fmt.Errorf("the plan of grant %s: %w", id, err)
			}
			opened++
		}
		return nil
	})
	if err != nil || opened == 0 {
		w.Errorf("%d plans open: %v", opened, err)
	}
	w.Logf("%d plans open", opened)
}

func (w *world) openSealer(s store.Store, installation string) *secret.Sealer {
	w.Helper()
	wrapper, err := localfile.Open(filepath.Join(w.company.Folder, "key"))
	if err != nil {
		w.Fatal(err)
	}
	owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	sealer, err := secret.OpenSealer(w.ctx, wrapper, owner, func(ctx context.Context) (list []secret.WrappedKeys, err error) {
		err = s.View(ctx, func(tx store.Tx) error {
			kept, err := tx.Keys().List(owner.Tenant)
			for _, k := range kept {
				list = append(list, k.WrappedKeys)
			}
			return err
		})
		return list, err
	})
	if err != nil {
		w.Fatal(err)
	}
	return sealer
}
