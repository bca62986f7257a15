package canary

import (
	"os"
	"testing"

	"github.com/curfewhq/curfew/internal/curfewdtest"
)

func TestMain(m *testing.M) {
	curfewdtest.ServeIfChild(leak)
	os.Exit(m.Run())
}
