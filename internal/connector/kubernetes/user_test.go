package kubernetes

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestUsersThatAreRefused(t *testing.T) {
	d := &driver{name: "cluster"}
	for _, name := range []string{
		"", "system:admin", "system:serviceaccount:kube-system:default", "system:", "a\nb", "a\x00b", "a\x7fb", "bad\xff", strings.Repeat("a", maxUser+1),
	} {
		_, err := d.checkUser(name)
		wantKind(t, err, access.KindInvalid, "cannot be used")
	}
	for _, name := range []string{"alice", "alice@example.com", "https://login.example.com#alice", "oidc:system:admin", "O'Brien", "日本", strings.Repeat("a", maxUser)} {
		if got, err := d.checkUser(name); err != nil || got != name {
			t.Errorf("%q became %q: %v", name, got, err)
		}
	}
}
