package crash

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestCrash leads one life per point. In each, curfewd is killed at the point, what is at PostgreSQL is held against the
// books before anything else runs, and curfewd is started again and brings everything to its end. A point that the life
// does not pass fails.
func TestCrash(t *testing.T) {
	pg := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Settings: map[string]string{"max_connections": "300"}})
	all := points()
	killed := make(chan point, len(all))
	t.Run("points", func(t *testing.T) {
		for _, at := range all {
			t.Run(string(at), func(t *testing.T) {
				t.Parallel()
				l := newLife(t, pg, at)
				l.lead()
				l.die()
				killed <- at
			})
		}
	})
	t.Logf("%d points, %d killed", len(all), len(killed))
	if len(killed) != len(all) {
		t.Errorf("%d of %d points were not passed", len(all)-len(killed), len(all))
	}
}

// lifeLimit bounds one life.
const lifeLimit = 2 * time.Minute
