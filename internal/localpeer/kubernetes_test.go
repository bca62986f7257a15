package localpeer_test

import (
	"os"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

func TestKubernetesStartsTwiceAndStops(t *testing.T) {
	k, err := localpeer.StartKubernetes(t.Context(), localpeer.KubernetesOptions{Progress: os.Stderr, Users: map[string]string{`o"brien`: "a-token"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop() })
	if err := k.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := k.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !localpeer.HasKubernetes() {
		t.Error("it runs, and is said not to be there")
	}
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(k.CAFile()); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}
