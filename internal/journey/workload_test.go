package journey

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/localpeer"
)

const workloadConfig = `
server: {listen: %[1]s, url: 'http://%[1]s'}
store: sqlite:./curfew.db
directory:
  static:
    - {id: carol, kind: human, groups: [platform], token: env:CAROL_TOKEN}
    - {id: deployer, kind: service, person: carol, groups: [deployers]}
  workloads:
    - name: ci
      issuer: %[2]s
      audience: http://%[1]s
      keys: {url: '%[3]s', ca: %[4]s, token: env:CLUSTER_TOKEN}
      claims: {sub: 'system:serviceaccount:ci:deployer'}
      principal: deployer
roles: {admin: ['group:platform']}
connectors:
  orders-cache:
    type: redis
    url: %[5]s
    password: env:REDIS_PASSWORD
    resources: {orders: {permissions: {read: {commands: ["+@read"], keys: ["%%R~orders:*"]}}}}
policies:
  - {name: deploy, who: ['group:deployers'], what: ['orders-cache/orders:read'], max_duration: 1h, approve: auto}
`

// clusterObjects are a namespace with two accounts.
const clusterObjects = `
- {apiVersion: v1, kind: Namespace, metadata: {name: ci}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: ci}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: tester, namespace: ci}}
`

// TestWorkload has a pod of a real cluster, and a job that asks for its token as in GitHub Actions, run a command with access.
func TestWorkload(t *testing.T) {
	h := newPrograms(t)
	cluster, err := localpeer.StartKubernetes(t.Context(), localpeer.KubernetesOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	if err := cluster.Create(t.Context(), []byte(clusterObjects)); err != nil {
		t.Fatal(err)
	}
	cache := h.newCache()
	h.env = append(h.env, "REDIS_PASSWORD=the cache's password", "CLUSTER_TOKEN="+cluster.AdminToken())
	at := strings.TrimPrefix(h.url, "http://")
	h.serveOn(fmt.Sprintf(workloadConfig, at, cluster.Issuer(), cluster.KeysURL(), cluster.CAFile(), cache.URL()))

	issue := func(account string, audiences ...string) string {
		t.Helper()
		token, err := cluster.IssueToken(t.Context(), "ci", account, 10*time.Minute, audiences...)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	file := func(name, token string) string {
		t.Helper()
		path := filepath.Join(h.folder, name)
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	said := h.must("pod", "login", "--workload", "--token-file", file("pod.jwt", issue("deployer", h.url)), h.url)
	if !strings.Contains(said, "as deployer, at the latest until") {
		t.Errorf("it says %q", said)
	}
	type principal struct {
		Principal, Kind string
		Session         struct {
			Kind, Label string
			Scopes      []string
		}
	}
	me := read[principal](t, h.must("pod", "whoami", "-o", "json"))
	if me.Session.Kind != "workload" || me.Session.Label != "system:serviceaccount:ci:deployer" || len(me.Session.Scopes) != 3 {
		t.Errorf("whoami: %+v", me)
	}
	if got := h.must("pod", "exec", "orders-cache/orders:read", "--", "sh", "-c", `test -n "$REDISCLI_AUTH" && echo with access`); got != "with access\n" {
		t.Errorf("the command prints %q", got)
	}

	for name, token := range map[string]string{
		"of another account": issue("tester", h.url), "for the API server": issue("deployer"), "for both": issue("deployer", h.url, cluster.Issuer()),
		"that is another's": cluster.AdminToken(),
	} {
		_, said, code := h.curfew("stranger", "login", "--workload", "--token-file", file("stranger.jwt", token), h.url)
		if code != 3 || !strings.Contains(said, "No rule of this Curfew") {
			t.Errorf("a token %s: exit code %d, %s", name, code, said)
		}
	}
	// The log says why, and repeats no token.
	if log := h.server.said.String(); !strings.Contains(log, "no rule fits the token of") || strings.Contains(log, issue("tester")[:40]+".") {
		t.Error("the log does not say why a token is not exchanged, or repeats one")
	}

	h.gitHub(issue("deployer", h.url))
	token := strings.TrimSpace(h.must("job", "login", "--workload", "--print", h.url))
	if !strings.HasPrefix(token, "cft_") {
		t.Fatalf("it prints %q", token)
	}
	h.env = append(h.env, "CURFEW_TOKEN="+token, "CURFEW_URL="+h.url)
	if me := read[principal](t, h.must("job", "whoami", "-o", "json")); me.Principal != "deployer" {
		t.Errorf("whoami: %+v", me)
	}
}

// gitHub answers as the service does that jobs of GitHub Actions ask for their tokens, with a token of another issuer. It is
// made from GitHub's documentation, and so emulated.
func (h *house) gitHub(token string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the job's" || r.URL.Query().Get("api-version") != "2.0" || r.URL.Query().Get("audience") != h.url {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": token}) // a job that has gone away is no error
	})
	server := httptest.NewServer(mux)
	h.Cleanup(server.Close)
	h.env = append(h.env, "ACTIONS_ID_TOKEN_REQUEST_URL="+server.URL+"/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=the job's")
}

// newCache is a Redis with Curfew's account (docs/connectors/redis.md).
func (h *house) newCache() *localpeer.Redis {
	h.Helper()
	cache, err := localpeer.StartRedis(h.Context(), localpeer.RedisOptions{Progress: h.Output()})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = cache.Stop() })
	admin, err := cache.Admin()
	if err != nil {
		h.Fatal(err)
	}
	defer admin.Close()
	words := []any{"ACL", "SETUSER", "curfew", "on", ">the cache's password"}
	for _, rule := range strings.Fields("resetkeys ~curfew:order:* resetchannels -@all +acl|setuser +acl|deluser +acl|getuser +acl|list +acl|dryrun" +
		" +client|id +client|list +client|kill +multi +exec +watch +unwatch +set +exists +del +time +info +command|info") {
		words = append(words, rule)
	}
	if err := admin.Do(h.Context(), append(words, "(~target:orders-cache)")...).Err(); err != nil {
		h.Fatal(err)
	}
	return cache
}
