package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// envPoint names the point at which a child dies.
const envPoint = "CURFEW_CRASH_POINT"

// holdFile, in the folder of the configuration, holds back a child's Grants, and awayFile keeps its store from committing.
const (
	holdFile = "hold"
	awayFile = "away"
)

func TestMain(m *testing.M) {
	curfewdtest.ServeIfChild(putKillerInside)
	flag.Parse()
	// Lives spend their time waiting for leases and deadlines, not computing.
	if err := flag.Set("test.parallel", "14"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// putKillerInside stands between the engine and what it uses.
func putKillerInside(path string, c *config.Config, o *server.Options) error {
	for i := range c.Connectors {
		c.Connectors[i].Reconcile = time.Second // lives are short
	}
	folder := filepath.Dir(path)
	k := killer{at: point(os.Getenv(envPoint))}
	o.WrapStore = func(s store.Store) store.Store {
		return mortalStore{Store: s, killer: k, away: filepath.Join(folder, awayFile)}
	}
	o.WrapDriver = func(_ access.ConnectorName, d connector.Driver) connector.Driver {
		return mortalDriver{Driver: d, killer: k, failed: &sync.Once{}, hold: filepath.Join(folder, holdFile)}
	}
	return nil
}

// start runs a child that dies at the point.
func start(t *testing.T, configPath string, at point) *curfewdtest.Process {
	t.Helper()
	return curfewdtest.Start(t, configPath, curfewdtest.ProcessOptions{Env: []string{envPoint + "=" + string(at)}})
}
