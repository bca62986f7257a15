package localpeer_test

import (
	"io"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

func TestNeedProgramFindsWhatIsThere(t *testing.T) {
	path, err := localpeer.NeedProgram(t.Context(), io.Discard, "go", "golang-go")
	if err != nil || !strings.HasSuffix(path, "/go") {
		t.Errorf("go is at %q, %v", path, err)
	}
}

// Without apt-get on the PATH this machine is like one that is not a Debian.
func TestNeedProgramSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := localpeer.NeedProgram(t.Context(), io.Discard, "spin", "spin", "gcc")
	if err == nil || !strings.Contains(err.Error(), "apt-get install spin gcc") {
		t.Errorf("the error is %v", err)
	}
}
