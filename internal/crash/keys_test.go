package crash

import (
	"io"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// rotationPoints are those that a rotation of the keys passes in a server, and no grant's life does.
func rotationPoints() (out []point) {
	for _, tx := range []store.TxName{"reseal", "keys-retired"} {
		out = append(out, commitPoint(tx, "before"), commitPoint(tx, "after"))
	}
	return out
}

// TestRotationIsKilled rotates the keys under a live grant, once per point. curfewd is killed at it, and started again;
// the rotation comes to its end, and so does the grant.
func TestRotationIsKilled(t *testing.T) {
	pg := curfewdtest.StartTarget(t, localpeer.PostgresOptions{})
	for _, at := range rotationPoints() {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			l := newLife(t, pg, at)
			grant := l.active(l.submit("long"))
			l.rotate()
			l.step("die at the last commit", func() error { // of which the rotation does not wait for the answer
				if !l.died {
					return errTryAgain
				}
				return nil
			})
			l.step("return", func() error {
				r, err := l.as("alice").ReturnGrantWithResponse(l.ctx, grant)
				return done(err, r)
			})
			l.ended(grant, access.EndReturned)
			l.nothingLeft()
			l.die()
		})
	}
}

// rotate begins a rotation beside the child, and waits for its end through the child's death.
func (l *life) rotate() {
	l.Helper()
	c, err := config.Load(l.company.Config(), config.Options{Types: all.ConnectorTypes()})
	if err != nil {
		l.Fatal(err)
	}
	keys, err := server.OpenKeys(l.ctx, c)
	if err != nil {
		l.Fatal(err)
	}
	rotated := make(chan error, 1)
	go func() { rotated <- keys.Rotate(l.ctx, io.Discard) }()
	l.step("rotate", func() error {
		select {
		case err := <-rotated:
			return err
		default:
			return errTryAgain
		}
	})
	if err := keys.Close(); err != nil {
		l.Error(err)
	}
}
