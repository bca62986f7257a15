package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestSourceTakenOut: of whom a source has told that is not in the configuration any more, nobody can say whether they have left. They are
// gone with it, as those are whom the configuration has listed.
func TestSourceTakenOut(t *testing.T) {
	in := peopled(t)
	in.write("scim", "a-token-of-more-than-thirty-two-bytes")
	in.people("localhost", `  scim: {name: okta, token: "file:scim"}`)
	in.start()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+in.server.Addr().String()+"/scim/v2/Users", strings.NewReader(`{"userName":"erin"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer a-token-of-more-than-thirty-two-bytes")
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var erin struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&erin); err != nil || erin.ID == "" {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	there := func(what string, want int) {
		t.Helper()
		if status, said := in.call("carol-1", http.MethodPost, "/v1/passkeys/invitations", fmt.Sprintf(`{"principal":"okta/%s"}`, erin.ID)); status != want {
			t.Errorf("%s: %d %s", what, status, said)
		}
	}
	there("told of", http.StatusCreated)
	in.people("localhost", `  oidc: {name: sso, issuer: "http://127.0.0.1:1", client_id: curfew}`)
	if waits, err := in.server.Propose(t.Context(), in.config()); waits || err != nil {
		t.Fatal(waits, err)
	}
	there("of a source that was taken out", http.StatusNotFound)
	in.people("localhost", `  scim: {name: okta, token: "file:scim"}`)
	if waits, err := in.server.Propose(t.Context(), in.config()); waits || err != nil {
		t.Fatal(waits, err)
	}
	there("of a source that was put back", http.StatusCreated)
}
