package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// guarded has two administrators: Ada asks for access herself, Bo does not.
const guarded = `
server: {listen: "127.0.0.1:0", key: key}
store: file:store
directory:
  static:
    - {id: ada, kind: human, groups: [admins, engineering], token: "file:ada"}
    - {id: bo, kind: human, groups: [admins], token: "file:bo"}
    - {id: lee, kind: human, groups: [leads], token: "file:lee"}
roles: {admin: ["group:admins"], auditor: ["group:leads"]}
connectors:
  db:
    type: postgres
    dsn: "file:dsn"
    timeout: 2s
    databases: [orders]
    scram_iterations: 1
    permissions: {read: {roles: [orders_read]}, write: {roles: [orders_read]}}
policies:
  - {name: read, who: ["group:engineering"], what: ["db/orders:read"], max_duration: 1h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["db/orders:write"], max_duration: 1h, approve: [{from: ["group:leads"]}]}
`

// What the files may say instead: Ada gets what needed a review; every administrator does; everybody gets less.
var (
	widerForAda  = strings.Replace(guarded, `approve: [{from: ["group:leads"]}]`, "approve: auto", 1)
	widerForBoth = strings.Replace(widerForAda, `who: ["group:engineering"], what: ["db/orders:write"]`, `who: ["group:admins"], what: ["db/orders:write"]`, 1)
	narrower     = strings.Replace(guarded, `what: ["db/orders:read"], max_duration: 1h`, `what: ["db/orders:read"], max_duration: 50m`, 1)
)

// newGuarded starts an installation with two administrators.
func newGuarded(t *testing.T, kind string) *installation {
	t.Helper()
	in := newInstallation(t, target(t, 15), kind)
	for _, name := range []string{"ada", "bo", "lee"} {
		in.write(name, name+"-token")
	}
	in.write("curfew.yaml", guarded)
	in.start()
	return in
}

// propose has the files say something else, and the server read them.
func (in *installation) propose(text string, wantWaits bool) {
	in.Helper()
	in.write("curfew.yaml", text)
	waits, err := in.server.Propose(in.Context(), in.config())
	if err != nil || waits != wantWaits {
		_, body := in.call("ada-token", "GET", "/v1/config", "")
		in.Fatalf("it waits is %t, %v; want %t\n%s", waits, err, wantWaits, body)
	}
}

// status is what an administrator is shown.
func (in *installation) status() (s api.ConfigStatus) {
	in.Helper()
	if status, body := in.call("bo-token", "GET", "/v1/config", ""); status != 200 || json.Unmarshal([]byte(body), &s) != nil {
		in.Fatalf("%d %s", status, body)
	}
	return s
}

// decides posts what an administrator has to say of the version that waits, and wants that answer.
func (in *installation) decides(who, what string, want int, says string) {
	in.Helper()
	waiting := in.status().Waiting
	if waiting == nil {
		in.Fatal("no version waits")
	}
	status, body := in.call(who+"-token", "POST", "/v1/config/"+what, fmt.Sprintf(`{"digest":%q%s}`, waiting.Digest, map[string]string{"reject": `,"reason":"not this"`}[what]))
	if status != want || !strings.Contains(body, says) {
		in.Fatalf("%s would %s: %d %s", who, what, status, body)
	}
}

// wantWrite wants what Ada gets who asks to write: auto, or a review.
func (in *installation) wantWrite(who, want string) {
	in.Helper()
	if body := in.asksToWrite(who); !strings.Contains(body, fmt.Sprintf(`"decision":%q`, want)) {
		in.Errorf("%s asks to write: %s, want %s", who, body, want)
	}
}

// asksToWrite is what would be decided.
func (in *installation) asksToWrite(who string) string {
	in.Helper()
	status, body := in.call(who+"-token", "POST", "/v1/decisions", `{"entitlements":["db/orders:write"],"duration":"30m","reason":"order 17"}`)
	if status != 200 {
		in.Fatalf("%d %s", status, body)
	}
	return body
}

// logged waits for so many entries of a kind, and wants a text in the last.
func (in *installation) logged(kind access.EventKind, n int, says string) {
	in.Helper()
	found, last := 0, ""
	in.until(fmt.Sprintf("%d entries %s", n, kind), func() bool {
		found, last = in.entries(kind)
		return found >= n
	})
	if found != n || !strings.Contains(last, says) {
		in.Errorf("%d entries %s, the last of them %s; want %d and %q", found, kind, last, n, says)
	}
}

func (in *installation) entries(kind access.EventKind) (n int, last string) {
	in.Helper()
	status, body := in.call("lee-token", "GET", "/v1/events?limit=1000", "")
	var list struct {
		Items []struct {
			Kind             access.EventKind
			Detail, Personal map[string]string
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 {
		in.Fatalf("%d %s", status, body)
	}
	for _, e := range list.Items {
		if e.Kind == kind {
			n++
			last = fmt.Sprint(e.Detail, e.Personal)
		}
	}
	return n, last
}

// A configuration that gives an administrator more waits across signals and restarts, until another administrator approves it.
func TestWidenedWaitsForAnother(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			in := newGuarded(t, kind)
			in.logged(access.EventConfigApplied, 1, "first start")
			in.wantWrite("ada", "review")
			in.propose(widerForAda, true)
			in.propose(widerForAda, true)
			for range 2 {
				in.wantWrite("ada", "review")
				s := in.status()
				if s.Waiting == nil || len(s.Waiting.Widens) != 1 || s.Waiting.Widens[0].Principal != "ada" || s.Waiting.Needs != 1 ||
					!strings.Contains(s.Waiting.Widens[0].Why, `policy "write"`) || !strings.Contains(s.Waiting.Diff, "+  - {name: write") {
					t.Fatalf("%+v", s)
				}
				in.stop()
				in.start()
				in.says("the configuration waits for an administrator")
			}
			if status, body := in.call("lee-token", "GET", "/metrics", ""); status != 200 || !strings.Contains(body, "\ncurfew_configuration_waiting 1\n") {
				t.Errorf("%d %.300s", status, body)
			}
			in.logged(access.EventConfigProposed, 1, "static/ada")
			in.decides("ada", "approve", 403, "give you yourself more")
			in.decides("lee", "approve", 403, "Only an administrator")
			if status, body := in.call("bo-token", "POST", "/v1/config/approve", `{"digest":"another"}`); status != 409 {
				t.Errorf("another version than the one that waits: %d %s", status, body)
			}
			in.wantWrite("ada", "review")
			in.decides("bo", "approve", 200, `"in_force"`)
			in.wantWrite("ada", "auto")
			in.logged(access.EventConfigApplied, 2, "approved_by:static/bo")
			in.stop()
			in.start()
			in.wantWrite("ada", "auto")
			if s := in.status(); s.Waiting != nil {
				t.Errorf("%+v", s.Waiting)
			}
		})
	}
}

// Whoever is to agree is shown all of it, however much stands before what counts.
func TestTheWholeDifferenceIsShown(t *testing.T) {
	in := newGuarded(t, "sqlite")
	in.propose(strings.Repeat("# This line is here to be read by nobody.\n", 12_000)+widerForAda, true)
	if s := in.status(); !strings.Contains(s.Waiting.Diff, "approve: auto") {
		t.Errorf("%d bytes are shown, without what counts", len(s.Waiting.Diff))
	}
}

// Where a version widens every administrator, two of them together can approve it, and one alone cannot.
func TestWidenedTogether(t *testing.T) {
	in := newGuarded(t, "sqlite")
	in.propose(widerForBoth, true)
	in.decides("ada", "approve", 200, `"needs":2`)
	in.decides("ada", "approve", 409, "already")
	in.wantWrite("bo", "denied")
	in.decides("bo", "approve", 200, `"in_force"`)
	in.wantWrite("bo", "auto")
	in.logged(access.EventConfigApproved, 2, "")
}

// What gives no administrator more is taken over at once; what is rejected or taken back waits no more.
func TestNotWidenedIsTakenOver(t *testing.T) {
	in := newGuarded(t, "sqlite")
	in.propose(narrower, false)
	in.logged(access.EventConfigApplied, 2, "nobody is widened")
	in.propose(widerForAda, true)
	in.propose(widerForBoth, true)
	in.logged(access.EventConfigProposed, 2, "replaces")
	in.decides("ada", "reject", 200, `"in_force"`)
	in.logged(access.EventConfigRejected, 1, "not this")
	in.propose(widerForAda, true)
	in.propose(narrower, false)
	in.logged(access.EventConfigRejected, 2, "in force again")
	in.propose(widerForAda, true)
	in.propose(guarded+"# as it was\n", true) // longer than what is in force by now
	in.decides("bo", "approve", 200, `"in_force"`)
}

// The only administrator is not kept from changing the configuration, and that is not hidden.
func TestSingleAdministrator(t *testing.T) {
	in := newGuarded(t, "sqlite")
	alone := strings.Replace(guarded, "groups: [admins], token", "groups: [others], token", 1)
	in.propose(alone, true) // no other administrator would be left, and Bo's own entry changes
	in.decides("ada", "approve", 200, `"needs":2`)
	in.decides("bo", "approve", 200, `"in_force"`)
	in.propose(strings.Replace(alone, `approve: [{from: ["group:leads"]}]`, "approve: auto", 1), false)
	in.says("gives the only administrator more")
	in.logged(access.EventConfigApplied, 3, "single administrator")
	in.wantWrite("ada", "auto")
}

// An approved version that cannot be taken over waits with the reason, and is taken over when it can be.
func TestTakingOverFails(t *testing.T) {
	in := newGuarded(t, "sqlite")
	dsn, err := os.ReadFile(filepath.Join(in.folder, "dsn"))
	if err != nil {
		t.Fatal(err)
	}
	in.write("dsn2", string(dsn))
	in.propose(strings.Replace(widerForAda, "file:dsn", "file:dsn2", 1), true)
	if err := os.Remove(filepath.Join(in.folder, "dsn2")); err != nil {
		t.Fatal(err)
	}
	in.decides("bo", "approve", 200, "dsn2")
	in.wantWrite("ada", "review")
	if s := in.status(); s.Waiting == nil || len(s.Waiting.Approvals) != 1 || !strings.Contains(s.Error, "dsn2") {
		t.Errorf("%+v", s)
	}
	in.decides("bo", "approve", 200, "dsn2") // tries it once more
	in.logged(access.EventConfigApproved, 1, "")
	in.write("dsn2", string(dsn))
	in.says("the configuration was taken over")
	in.wantWrite("ada", "auto")
	if s := in.status(); s.Waiting != nil || s.Error != "" {
		t.Errorf("%+v", s)
	}
}

// A start that has to serve the version in force, and cannot, says what is missing and what can be done.
func TestInForceCannotBeServed(t *testing.T) {
	in := newGuarded(t, "sqlite")
	in.stop()
	in.write("lee2", "lee-token")
	in.write("curfew.yaml", strings.Replace(widerForAda, "file:lee", "file:lee2", 1))
	if err := os.Remove(filepath.Join(in.folder, "lee")); err != nil {
		t.Fatal(err)
	}
	err := in.starts()
	if err == nil || !strings.Contains(err.Error(), "lee") || !strings.Contains(err.Error(), "curfewd config approve") {
		t.Fatalf("the start: %v", err)
	}
	in.server = nil
	c := in.config()
	if err := server.ApproveByHand(t.Context(), c, "the old token file is lost", io.Discard); err != nil {
		t.Fatal(err)
	}
	in.start()
	in.wantWrite("ada", "auto")
	in.logged(access.EventConfigApplied, 2, "the old token file is lost")
	in.logged(access.EventConfigApplied, 2, "by:operator")
}

// failing fails one kind of transaction.
type failing struct {
	store.Store
	name store.TxName
}

var errKilled = errors.New("killed here")

// Update implements store.Store.
func (f failing) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	if name == f.name {
		return errKilled
	}
	return f.Store.Update(ctx, name, fn)
}

// A process that dies between the approval and taking over loses neither: the next one goes on.
func TestDeathAfterApproval(t *testing.T) {
	in := newGuarded(t, "sqlite")
	in.stop()
	in.write("curfew.yaml", widerForAda)
	var err error
	in.server, err = server.Start(t.Context(), in.config(), server.Options{
		Log: slog.New(slog.NewTextHandler(in.log, nil)), Clock: access.SystemClock{},
		WrapStore: func(s store.Store) store.Store { return failing{s, "config-applied"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	in.decides("bo", "approve", 200, "killed here")
	in.wantWrite("ada", "review")
	in.stop()
	in.start()
	in.wantWrite("ada", "auto")
	in.logged(access.EventConfigApplied, 2, "approved_by:static/bo")
}

// What is approved on one node is served by the others.
func TestOtherNodesFollow(t *testing.T) {
	in := newGuarded(t, "postgres")
	other := &installation{T: t, folder: in.folder, log: in.log, pg: in.pg}
	t.Cleanup(other.stop)
	other.start()
	in.propose(widerForAda, true)
	if s := other.status(); s.Waiting == nil {
		t.Fatal("the other node does not know of the version that waits")
	}
	in.decides("bo", "approve", 200, `"in_force"`)
	other.until("the other node follows", func() bool { return strings.Contains(other.asksToWrite("ada"), `"decision":"auto"`) })
	other.propose(strings.Replace(widerForAda, `what: ["db/orders:write"], max_duration: 1h`, `what: ["db/orders:write"], max_duration: 20m`, 1), false)
	in.until("the first node follows", func() bool { return strings.Contains(in.asksToWrite("ada"), `"denied"`) })
}

// newProvisioned starts an installation with Ada, and with Eve of whom a source tells. Both administer it once Eve is in the group ops.
func newProvisioned(t *testing.T) (in *installation, text, eve string, join func()) {
	t.Helper()
	in = newGuarded(t, "sqlite")
	in.stop()
	token := strings.Repeat("scim-token", 4)
	in.write("scim", token)
	text = strings.Replace(strings.Replace(strings.Replace(guarded, "directory:\n", "directory:\n  scim: {name: okta, token: \"file:scim\"}\n", 1),
		`admin: ["group:admins"]`, `admin: ["person:ada", "group:okta/ops"]`, 1), `key: key}`, `key: key, url: "http://localhost:8420"}`, 1)
	in.write("curfew.yaml", text)
	if err := server.ApproveByHand(t.Context(), in.config(), "people come from SCIM now", io.Discard); err != nil {
		t.Fatal(err)
	}
	in.start()
	scim := func(path, body string) (made struct{ ID string }) {
		t.Helper()
		status, text := in.call(token, "POST", "/scim/v2/"+path, body)
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return made
	}
	eve = scim("Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"eve"}`).ID
	return in, text, eve, func() {
		t.Helper()
		scim("Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"ops","members":[{"value":%q}]}`, eve))
	}
}

// An administrator of whom a source tells approves like any other, and is widened like any other.
func TestAdministratorsOfSources(t *testing.T) {
	in, provisioned, _, join := newProvisioned(t)
	// Ada is the only administrator until Eve is in the group.
	in.propose(strings.Replace(provisioned, `approve: [{from: ["group:leads"]}]`, "approve: auto", 1), false)
	in.says("gives the only administrator more")
	join()
	in.propose(strings.Replace(provisioned, `who: ["group:engineering"], what: ["db/orders:write"]`, `who: ["group:okta/ops", "person:ada"], what: ["db/orders:*"]`, 1), true)
	status, body := in.call("ada-token", "GET", "/v1/config", "")
	if status != 200 || !strings.Contains(body, `"principal":"okta/`) || !strings.Contains(body, `"principal":"ada"`) || !strings.Contains(body, `"needs":2`) {
		t.Errorf("%d %s", status, body)
	}
}

// Nobody has the other administrator, of whom a source tells, forgotten, so as to be asked no more about what widens them.
func TestOtherAdministratorIsNotForgotten(t *testing.T) {
	in, provisioned, eve, join := newProvisioned(t)
	join()
	p, err := in.server.Directory().Principal(t.Context(), access.PrincipalID{Issuer: "okta", Subject: eve})
	if err != nil {
		t.Fatal(err)
	}
	status, body := in.call("ada-token", "POST", "/v1/erasures", fmt.Sprintf(`{"person":%q,"reason":"asked for it in writing"}`, p.Person))
	if status != 409 || !strings.Contains(body, "is an administrator") {
		t.Errorf("the other administrator is forgotten: %d %s", status, body)
	}
	in.propose(strings.Replace(provisioned, `approve: [{from: ["group:leads"]}]`, "approve: auto", 1), true)
}
