package journey

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const scimConfig = `
server: {listen: %[1]s, url: 'http://%[2]s'}
store: sqlite:./curfew.db
directory:
  static:
    - {id: carol, kind: human, groups: [platform], token: env:CAROL_TOKEN}
  scim: {name: okta, token: env:SCIM_TOKEN, attributes: {mail: 'emails[type eq "work"].value'}}
  oidc:
    issuer: %[3]s
    client_id: curfew
    client_secret: env:OIDC_SECRET
    scopes: [email]
    accounts: {of: okta, claim: email, attribute: mail}
roles: {admin: ['group:platform']}
connectors:
  orders-cache:
    type: redis
    url: %[4]s
    password: env:REDIS_PASSWORD
    resources: {orders: {permissions: {read: {commands: ["+@read"], keys: ["%%R~orders:*"]}}}}
policies:
  - {name: read, who: ['group:okta/Payments'], what: ['orders-cache/orders:read'], max_duration: 1h, approve: auto}
`

// scimToken opens the provider's side.
const scimToken = "a token of the identity provider, long enough"

// provision is a call of the identity provider's, and the ID in its answer.
func (h *house) provision(method, path, body string) string {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+"/scim/v2/"+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+scimToken)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	var resource struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&resource); err != nil || answer.StatusCode >= 300 {
		h.Fatalf("%s %s: %s, %v", method, path, answer.Status, err)
	}
	return resource.ID
}

// TestDeprovisioning has an identity provider say of somebody with a session, a token and access that she has left.
func TestDeprovisioning(t *testing.T) {
	h := newHouse(t)
	cache := h.newCache()
	h.env = append(h.env, "REDIS_PASSWORD=the cache's password", "SCIM_TOKEN="+scimToken)
	at := strings.TrimPrefix(h.url, "http://")
	h.serveOn(fmt.Sprintf(scimConfig, strings.Replace(at, "localhost", "127.0.0.1", 1), at, h.issuer, cache.URL()))
	admin, err := cache.Admin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	if err := admin.Set(t.Context(), "orders:17", "seventeen", 0).Err(); err != nil {
		t.Fatal(err)
	}
	alice := h.provision("POST", "Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"alice@acme.example","active":true,`+
		`"name":{"formatted":"Alice Adler"},"emails":[{"value":"alice@acme.example","type":"work","primary":true}]}`)
	h.provision("POST", "Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Payments","members":[{"value":"`+alice+`"}]}`)

	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	token := strings.TrimSpace(h.must("alice", "tokens", "create", "--scope", "read", "--for", "1h", "--label", "nightly"))
	r := read[struct{ Grants []struct{ ID string } }](t, h.must("alice", "request", "orders-cache/orders:read", "--for", "1h", "--reason", "look", "--wait", "-o", "json"))
	if len(r.Grants) != 1 {
		t.Fatalf("%+v", r)
	}
	c := read[struct{ Username, Password string }](t, h.must("alice", "credential", r.Grants[0].ID, "-o", "json"))
	session := h.start(cache.Client(t.Context(), c.Username, c.Password, "-r", "-1", "-i", "0.05", "GET", "orders:17"))
	session.await(`seventeen`)

	left := time.Now()
	h.provision("PATCH", "Users/"+alice, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`)
	if _, said, code := h.curfew("alice", "whoami"); code != 3 {
		t.Errorf("who has left: exit code %d, %s", code, said)
	}
	session.await(`(?i)(WRONGPASS|NOAUTH|NOPERM|closed)`)
	h.server.await(`"msg":"grant.ended"`)
	t.Logf("access was read back as gone %s after the provider's call", time.Since(left).Round(time.Millisecond))
	h.env = append(h.env, "CURFEW_URL="+h.url, "CURFEW_TOKEN="+token)
	if _, said, code := h.curfew("nightly", "whoami"); code != 3 {
		t.Errorf("the token of who has left: exit code %d, %s", code, said)
	}
}
