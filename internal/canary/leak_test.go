package canary

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
	"github.com/curfewhq/curfew/internal/telemetry"
)

// envLeak names the leak that a child of these tests has.
const envLeak = "CURFEW_CANARY_LEAK"

// leakage is a way in which Alice's token gets out, and the places in which it must then be found.
type leakage struct {
	name string
	tell func(o *server.Options, token, dsn string) error
	in   []string
}

func leaks() []leakage {
	const log, answers = "curfewd's log", "every answer of curfewd"
	return []leakage{
		{"logged", func(o *server.Options, token, _ string) error {
			o.Log.Info("a principal", "token", token)
			return nil
		}, []string{log}},
		{"logged in base64", func(o *server.Options, token, _ string) error {
			o.Log.Info("a header", "authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:"+token)))
			return nil
		}, []string{log}},
		{"in the store", func(o *server.Options, token, _ string) error {
			o.WrapStore = func(s store.Store) store.Store { return &tellingStore{Store: s, token: token} }
			return nil
		}, []string{"the file curfew.db", "the file backup"}},
		{"in a driver's error", func(o *server.Options, token, _ string) error {
			o.WrapDriver = func(_ access.ConnectorName, d connector.Driver) connector.Driver { return tellingDriver{d, token} }
			return nil
		}, []string{answers, "the file curfew.db"}},
		{"in a temporary file", func(_ *server.Options, token, _ string) error {
			return os.WriteFile(filepath.Join(os.TempDir(), "left"), []byte(token), 0o600)
		}, []string{"the file tmp/left"}},
		{"in the arguments of a process", func(_ *server.Options, token, _ string) error {
			cmd := exec.CommandContext(context.Background(), "sh", "-c", "sleep 300", token)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			return cmd.Start()
		}, []string{"the arguments of sh"}},
		{"in the spans", func(_ *server.Options, token, _ string) error {
			return os.Setenv("OTEL_RESOURCE_ATTRIBUTES", "note="+url.PathEscape(token))
		}, []string{"the exported spans"}},
		{"in a statement at the target", func(_ *server.Options, token, dsn string) error {
			conn, err := pgx.Connect(context.Background(), dsn)
			if err != nil {
				return err
			}
			_, err = conn.Exec(context.Background(), "SELECT length("+sqlText(token)+")")
			_ = conn.Close(context.Background())
			return err
		}, []string{"the log of PostgreSQL, every statement included"}},
	}
}

// leak makes the leak or the accident that the environment names, in a child that is about to serve.
func leak(path string, _ *config.Config, o *server.Options) error {
	token, err := os.ReadFile(filepath.Join(filepath.Dir(path), "secrets", "alice"))
	if err != nil {
		return err
	}
	dsn, err := os.ReadFile(filepath.Join(filepath.Dir(path), "secrets", "dsn"))
	if err != nil {
		return err
	}
	if o.Spans, err = telemetry.NewExporter(context.Background()); err != nil {
		return err
	}
	for _, l := range append(leaks(), accidents()...) {
		if l.name == os.Getenv(envLeak) {
			return l.tell(o, string(token), string(dsn))
		}
	}
	return nil
}

// tellingStore keeps a token among the policies.
type tellingStore struct {
	store.Store
	token string
	once  sync.Once
}

func (s *tellingStore) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, name, func(tx store.Tx) (err error) {
		s.once.Do(func() { err = tx.Policies().Put(access.DefaultTenant, "sha256-leak", []byte(s.token)) })
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// tellingDriver tells a token that it cannot know.
type tellingDriver struct {
	connector.Driver
	token string
}

func (d tellingDriver) Grant(context.Context, connector.Order, access.Plan) (connector.Outcome, error) {
	return connector.Outcome{}, access.Errorf(access.KindInvalid, "There is no access for %s.", d.token)
}

// startTarget starts a PostgreSQL that writes down every statement, for all houses of a test.
func startTarget(t *testing.T) curfewdtest.Target {
	return curfewdtest.StartTarget(t, localpeer.PostgresOptions{Settings: map[string]string{"log_statement": "all", "max_connections": "200"}})
}

// TestLeaksAreFound makes one leak after the other in an installation that is otherwise as it should be, and demands that the
// search finds each where it is; and nothing without a leak.
func TestLeaksAreFound(t *testing.T) {
	pg := startTarget(t)
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		_, r := leaky(t, pg, "none")
		for _, f := range r.found {
			t.Error(f)
		}
	})
	for _, l := range leaks() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			_, r := leaky(t, pg, l.name)
			for _, name := range l.in {
				if !slices.ContainsFunc(r.found, func(f finding) bool { return f.place == name && f.canary == "the token of alice" }) {
					t.Errorf("not found in %s: %s %v", name, r, r.found)
				}
			}
		})
	}
}

// leaky leads a short life in a house with a leak, and searches it.
func leaky(t *testing.T, pg curfewdtest.Target, name string) (log string, r report) {
	h := newHouse(t, "")
	h.write("secrets/dsn", pg.AccountDSN())
	u, err := url.Parse(pg.AccountDSN())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	h.plant(t, "the password of Curfew's account", password)
	h.configure([]target{{config: `
  db:
    type: postgres
    dsn: file:secrets/dsn
    databases: [orders]
    scram_iterations: 1
    max_connections: 4
    permissions: {read: {roles: [orders_read]}, write: {roles: [orders_read]}}`}}, "sqlite:curfew.db")
	p := curfewdtest.Start(t, h.config(), curfewdtest.ProcessOptions{Env: []string{
		envLeak + "=" + name, "TMPDIR=" + h.temporary(), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + h.spans(),
	}})
	if p.Addr() == "" {
		t.Fatalf("curfewd does not start:\n%s", p.Log())
	}
	h.addr = h.record("every answer of curfewd", p.Addr())
	h.look(place{name: "curfewd's log", read: func() ([]byte, error) { return []byte(p.Log()), nil }})
	h.look(place{name: "the log of PostgreSQL, every statement included", read: func() ([]byte, error) {
		text, err := pg.Log()
		return []byte(text), err
	}, but: []string{"the password of Curfew's account"}}) // with which a superuser made the account
	h.call("GET", "/v1/grants", h.as("alice"), "")
	h.call("POST", "/v1/grants/gr_000000/return", h.as("alice"), "")
	h.ask()
	h.lookAtArguments(p.PID())
	if err := sqlstore.BackupSQLite(h.ctx, filepath.Join(h.folder, "curfew.db"), filepath.Join(h.folder, "backup"), func(string, int64, bool) {}); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	h.lookAtFiles()
	if r, err = h.search(); err != nil {
		t.Fatal(err)
	}
	return p.Log(), r
}

// ask asks for access, waits for what becomes of it, and fetches its credential if there is one.
func (h *house) ask() {
	h.Helper()
	status, body := h.call("POST", "/v1/requests?wait=30s", h.as("alice"), `{"entitlements":["db/orders:read"],"duration":"5m"}`)
	var r client.Request
	if err := json.Unmarshal([]byte(body), &r); err != nil || status != http.StatusCreated || len(r.Grants) != 1 {
		h.Fatalf("%d %s: %v", status, body, err)
	}
	key, err := secret.NewRecipientKey()
	if err != nil {
		h.Fatal(err)
	}
	recipient, err := json.Marshal(client.CredentialBody{Recipient: key.Public()})
	if err != nil {
		h.Fatal(err)
	}
	h.call("POST", "/v1/grants/"+r.Grants[0].ID+"/credential", h.as("alice"), string(recipient))
	h.call("GET", "/v1/grants/"+r.Grants[0].ID, h.as("alice"), "")
	h.call("GET", "/v1/events?last=100", h.as("carol"), "")
	if _, metrics := h.call("GET", "/metrics", h.as("carol"), ""); !strings.Contains(metrics, "curfew_") {
		h.Error(fmt.Errorf("no metrics: %.200s", metrics))
	}
}
