package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/engine"
)

// dump is what pg_dump makes of the books.
func (in *installation) dump() string {
	in.Helper()
	program, err := in.pg.Program("pg_dump")
	if err != nil {
		in.Fatal(err)
	}
	cmd := exec.CommandContext(in.Context(), program, "--schema=curfew", "--dbname", in.pg.SuperuserDSN("postgres"))
	var text, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &complaints
	if err := cmd.Run(); err != nil || !strings.Contains(text.String(), "COPY curfew.grants") {
		in.Fatalf("pg_dump: %v\n%s\n%.1000s", err, &complaints, &text)
	}
	return text.String()
}

// TestForgottenNowhereInADump searches all that PostgreSQL has of the books for somebody who was forgotten: their names, and
// what they and others have said of it.
func TestForgottenNowhereInADump(t *testing.T) {
	const (
		asks   = "the flood took cellar seven"
		ticket = "TASK-90210"
		agrees = "a zebra may pass"
		param  = "behind the third pillar"
	)
	in := newInstallation(t, target(t, 15), "postgres")
	in.start()
	post := func(token, path, body string) string {
		t.Helper()
		status, text := in.call(token, "POST", path, body)
		if status >= 300 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return text
	}
	ask := func(permission, wait string) (r api.Request) {
		t.Helper()
		text := post("alice-1", "/v1/requests"+wait, fmt.Sprintf(
			`{"entitlements":["db/orders:%s"],"duration":"30m","reason":%q,"ticket":%q,"params":{"where":%q}}`, permission, asks, ticket, param))
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	review := func(verdict, wait string) (r api.Request) {
		t.Helper()
		asked := ask("write", "")
		post("carol-1", "/v1/requests/"+asked.ID+"/reviews", fmt.Sprintf(`{"verdict":%q,"comment":%q}`, verdict, agrees))
		if _, text := in.call("alice-1", "GET", "/v1/requests/"+asked.ID+wait, ""); json.Unmarshal([]byte(text), &r) != nil {
			t.Fatal(text)
		}
		return r
	}
	read := ask("read", "?wait=30s")
	agreed := review("approve", "?wait=30s")
	review("deny", "")
	post("alice-1", "/v1/requests/"+ask("write", "").ID+"/withdraw", "")
	post("alice-1", "/v1/grants/"+read.Grants[0].ID+"/extend", `{"duration":"20m"}`)
	for _, r := range []api.Request{read, agreed} {
		post("alice-1", "/v1/grants/"+r.Grants[0].ID+"/return", "")
		in.awaitEnd(r.Grants[0].ID)
	}
	var frozen api.Freeze
	if text := post("carol-1", "/v1/revocations", `{"principal":"alice","reason":"a leak in the attic"}`); json.Unmarshal([]byte(text), &frozen) != nil {
		t.Fatal(text)
	}
	post("carol-1", "/v1/freezes/"+frozen.ID+"/lift", `{"reason":"alice found the leak"}`)
	// A day passes, in the books.
	in.run(`SET session_replication_role = replica; UPDATE curfew.grants SET ended_at = ended_at - 100000000000, verified_at = verified_at - 100000000000`)
	before := in.dump()
	words := []string{"alice", asks, ticket, param, agrees, "a leak in the attic", "found the leak"}
	for _, word := range words {
		if !strings.Contains(before, word) {
			t.Errorf("the books have no %q before, so that finding none says nothing", word)
		}
	}
	e := in.server.Engine()
	carol, err := in.server.Authenticate(t.Context(), "carol-1")
	if err != nil {
		t.Fatal(err)
	}
	order := engine.ForgetOrder{Person: "alice"}
	v, err := e.Forget(t.Context(), carol.Principal, order, "asked for it in writing")
	if err != nil {
		t.Fatal(err)
	}
	for v.DoneAt.IsZero() { // by the runner, or here
		if _, err := e.Erase(t.Context()); err != nil {
			t.Log(err)
		}
		if v, err = e.Erasure(t.Context(), carol.Principal, v.ID); err != nil {
			t.Fatal(err)
		}
	}
	after := strings.ToLower(in.dump())
	for _, word := range words {
		if i := strings.Index(after, strings.ToLower(word)); i >= 0 {
			t.Errorf("the books still have %q, as in %q", word, after[max(0, i-300):min(len(after), i+100)])
		}
	}
}

// awaitEnd waits until a grant was read back as gone.
func (in *installation) awaitEnd(id string) {
	in.Helper()
	for {
		status, body := in.call("carol-1", "GET", "/v1/grants/"+id, "")
		if status != 200 {
			in.Fatalf("%d %s", status, body)
		}
		if strings.Contains(body, `"state":"ended"`) {
			return
		}
	}
}
