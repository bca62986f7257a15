package crash

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/store"
)

// configurationPoints are those that a change of the configuration passes.
func configurationPoints() (out []point) {
	for _, tx := range []store.TxName{"config-proposed", "config-approved", "config-applied"} {
		out = append(out, commitPoint(tx, "before"), commitPoint(tx, "after"))
	}
	return out
}

// TestConfigurationIsKilled has Carol, who administers, let herself in with the files, and Dave approve that, once per point.
// curfewd is killed at it, and started again: what waits waits on, nothing of it is in force before Dave's word, all of it is after
// it, and each step is in the log once.
func TestConfigurationIsKilled(t *testing.T) {
	pg := curfewdtest.StartTarget(t, localpeer.PostgresOptions{})
	for _, at := range configurationPoints() {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			l := unborn(t, pg, at)
			l.child = start(t, l.company.Config(), "")
			first := l.configuration("first", func(client.ConfigStatus) bool { return true }).InForce.Digest
			l.propose(strings.Replace(l.text(), "{id: carol, kind: human, groups: [platform]", "{id: carol, kind: human, groups: [platform, engineering]", 1))
			waits := l.configuration("wait", func(s client.ConfigStatus) bool { return s.Waiting.Digest != "" })
			if waits.InForce.Digest != first || l.mayRead("carol") {
				t.Errorf("before Dave's word %s is in force, and Carol may read: %t", waits.InForce.Digest, l.mayRead("carol"))
			}
			l.step("approve", func() error {
				r, err := l.as("dave").ApproveConfigWithResponse(l.ctx, client.ApproveConfigBody{Digest: waits.Waiting.Digest})
				return done(err, r, 409)
			})
			l.configuration("take over", func(s client.ConfigStatus) bool {
				return s.Waiting.Digest == "" && s.InForce.Digest == waits.Waiting.Digest
			})
			if !l.mayRead("carol") {
				t.Error("after Dave's word Carol may not read")
			}
			l.die()
			l.child.Stop()
			entries := map[access.EventKind]int{}
			for _, e := range l.books().Events {
				entries[e.Kind]++
			}
			for kind, want := range map[access.EventKind]int{access.EventConfigProposed: 1, access.EventConfigApproved: 1, access.EventConfigApplied: 2} {
				if entries[kind] != want {
					t.Errorf("%s is %d times in the log, want %d", kind, entries[kind], want)
				}
			}
		})
	}
}

// text is what the files say.
func (l *life) text() string {
	l.Helper()
	text, err := os.ReadFile(l.company.Config())
	if err != nil {
		l.Fatal(err)
	}
	return string(text)
}

// propose ends the child in peace, and starts one with other files that dies at the point.
func (l *life) propose(text string) {
	l.Helper()
	l.child.Stop()
	if err := os.WriteFile(l.company.Config(), []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
	l.child = start(l.T, l.company.Config(), l.at)
}

// configuration waits until things stand so, as Carol sees them.
func (l *life) configuration(name string, so func(client.ConfigStatus) bool) (s client.ConfigStatus) {
	l.Helper()
	l.step(name, func() error {
		r, err := l.as("carol").GetConfigWithResponse(l.ctx)
		if err := done(err, r); err != nil {
			return err
		}
		s = client.ConfigStatus{}
		if err := json.Unmarshal(r.Body, &s); err != nil || so(s) {
			return err
		}
		return errTryAgain
	})
	return s
}

// mayRead asks what somebody would get.
func (l *life) mayRead(who string) (may bool) {
	l.Helper()
	l.step("explain", func() error {
		r, err := l.as(who).ExplainWithResponse(l.ctx, client.RequestBody{Entitlements: []string{"db/orders:long"}, Duration: "1m", Reason: "order 17"})
		if err := done(err, r); err != nil {
			return err
		}
		may = strings.Contains(string(r.Body), `"decision":"auto"`)
		return nil
	})
	return may
}
