package server_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/syncbuf"
)

const peopledConfig = `
server: {listen: "127.0.0.1:0", key: key, url: "http://%s:8420"}
store: %q
directory:
  static:
    - {id: carol, kind: human, groups: [platform], token: "file:carol"}
%s
roles: {admin: ["group:platform"]}
`

// peopled is an installation without a target, where carol administers, and without its configuration.
func peopled(t *testing.T) *installation {
	t.Helper()
	in := &installation{T: t, folder: t.TempDir(), log: &syncbuf.Buffer{}}
	t.Cleanup(in.stop)
	in.write("carol", "carol-1")
	return in
}

// people writes the configuration of a server at that host, with sources of people in it.
func (in *installation) people(host, sources string) {
	in.write("curfew.yaml", fmt.Sprintf(peopledConfig, host, "sqlite:"+filepath.Join(in.folder, "curfew.db"), sources))
}

// TestAddressIsANumber: browsers have no passkeys for hosts without a name. All else goes on without them.
func TestAddressIsANumber(t *testing.T) {
	in := peopled(t)
	in.people("127.0.0.1", "")
	in.start()
	if status, said := in.call("carol-1", http.MethodPost, "/v1/passkeys/recovery-codes", ""); !strings.Contains(said, "Passkeys need server.url") {
		t.Errorf("%d %s", status, said)
	}
	if status, said := in.call("carol-1", http.MethodGet, "/v1/passkeys", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, said)
	}
}
