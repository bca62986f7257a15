package canary

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// TestCanary leads two installations of the real programs through everything, one on SQLite with every kind of target that
// starts here, one on PostgreSQL, and searches for what was planted.
func TestCanary(t *testing.T) {
	programs := buildPrograms(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, programs)
		pg := curfewdtest.StartPostgres(t, localpeer.PostgresOptions{})
		h.open()
		h.provide()
		targets := h.everyTarget(pg)
		h.configure(targets, "sqlite:curfew.db")
		h.live(targets, pg)
		h.demo()
		h.lookBehind(pg, func() (store.Store, error) {
			return sqlstore.OpenSQLite(h.ctx, filepath.Join(h.folder, "curfew.db"), sqlstore.Options{})
		})
		h.judge()
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, programs)
		pg := curfewdtest.StartPostgres(t, localpeer.PostgresOptions{Version: 15}) // which comes with its pg_dump
		h.open()
		h.provide()
		books := h.postgresStore(pg)
		targets := []target{h.postgresTarget(pg)}
		h.configure(targets, "env:CANARY_STORE")
		h.live(targets, pg)
		h.dump(pg)
		h.lookBehind(pg, func() (store.Store, error) { return sqlstore.OpenPostgres(h.ctx, books, sqlstore.Options{}) })
		h.judge()
	})
}

// lookBehind plants what only the programs themselves know, and adds what PostgreSQL wrote down.
func (h *house) lookBehind(pg *localpeer.Postgres, open func() (store.Store, error)) {
	h.Helper()
	for _, who := range append(people(), ann, "job") {
		h.plantKeys(who)
	}
	h.plantMinted()
	books, err := open()
	if err != nil {
		h.Fatal(err)
	}
	h.plantKeyFile(books)
	if err := books.Close(); err != nil {
		h.Fatal(err)
	}
	h.look(place{name: "the log of PostgreSQL, every statement included", read: func() ([]byte, error) {
		text, err := pg.Log()
		return []byte(text), err
	}, but: h.verifiers})
}

// judge searches, and prints what was searched.
func (h *house) judge() {
	h.Helper()
	h.lookAtFiles()
	r, err := h.search()
	if err != nil {
		h.Error(err)
	}
	var places strings.Builder
	h.list(&places)
	h.Logf("%s\n%s", r, &places)
	for _, f := range r.found {
		h.Error(f)
	}
}

// everyTarget starts a server of each kind, and the chatty ones.
func (h *house) everyTarget(pg *localpeer.Postgres) []target {
	h.Helper()
	return append([]target{
		h.postgresTarget(pg), h.mariaDBTarget(), h.ldapTarget(), h.redisTarget(), h.kubernetesTarget(), h.mongoDBTarget(),
	}, h.chattyTargets()...)
}

// postgresStore makes a database for the books, as docs/store.md has it, and plants the password of its address.
func (h *house) postgresStore(pg *localpeer.Postgres) (dsn string) {
	h.Helper()
	password := h.choose(h, "the password of the store")
	curfewdtest.Exec(h, pg.SuperuserDSN("postgres"), "CREATE ROLE books LOGIN PASSWORD "+sqlText(password))
	curfewdtest.Exec(h, pg.SuperuserDSN("postgres"), "CREATE DATABASE books TEMPLATE template0 ENCODING 'UTF8'")
	curfewdtest.Exec(h, pg.SuperuserDSN("books"), "CREATE SCHEMA curfew AUTHORIZATION books")
	dsn = pg.DSN("books", "books", password)
	h.env = append(h.env, "CANARY_STORE="+dsn)
	return dsn
}

// dump looks at what pg_dump makes of the store.
func (h *house) dump(pg *localpeer.Postgres) {
	h.Helper()
	program, err := pg.Program("pg_dump")
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.CommandContext(h.ctx, program, "--dbname", pg.SuperuserDSN("books"))
	var text, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &complaints
	if err := cmd.Run(); err != nil || !strings.Contains(text.String(), "COPY curfew.grants") {
		h.Fatalf("pg_dump: %v\n%s\n%.1000s", err, &complaints, &text)
	}
	h.keep("pg_dump of the store", text.Bytes())
}

// configure writes the configuration.
func (h *house) configure(targets []target, books string) {
	h.Helper()
	listen, who := "listen: \"127.0.0.1:0\"", `["group:engineering"]`
	if h.sources != "" {
		listen, who = fmt.Sprintf("listen: %q, url: %q", h.listen, h.url()), `["group:engineering", "group:office/engineering"]`
	}
	directory := strings.Replace(fmt.Sprintf(curfewdtest.Directory, h.secrets()), "\nroles:", h.sources+"\nroles:", 1)
	text := "server: {" + listen + ", key: curfew.key}\nstore: \"" + books + "\"\n" + directory + "connectors:"
	for _, t := range targets {
		text += t.config
	}
	text += `
policies:
  - {name: read, who: ` + who + `, what: ["*/**:read"], max_duration: 1h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["db/orders:write"], max_duration: 1h, approve: [{from: ["group:leads"]}]}
`
	if h.sources != "" {
		text += `  - {name: confirmed, who: ["group:office/engineering"], what: ["db/orders:write"], max_duration: 1h, require: {mfa: true}, approve: auto}
`
	}
	h.write("curfew.yaml", text)
}

// logShown is how much of curfewd's log a failed test shows, in bytes.
const logShown = 4 << 10

// serve starts curfewd, which says as much as it can, and lets everybody reach it.
func (h *house) serve() *daemon {
	h.Helper()
	d := startDaemon(h, h.program("curfewd"), h.environment(append(h.env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+h.spans())...), "serve", "-c", h.config())
	h.Cleanup(func() {
		if h.Failed() {
			log := d.stderr.String()
			h.Logf("curfewd's log ends: %s", log[max(0, len(log)-logShown):])
		}
	})
	d.await(&d.stderr, 1, `"msg":"(serving)"`)
	h.lookAtBuffer("curfewd's output", &d.stdout)
	h.lookAtBuffer("curfewd's log", &d.stderr)
	return d
}

func (h *house) lookAtBuffer(name string, b *syncbuf.Buffer) {
	h.look(place{name: name, read: func() ([]byte, error) { return []byte(b.String()), nil }})
}

// spans takes what is exported, as it comes over the wire.
func (h *house) spans() (url string) {
	h.Helper()
	var got syncbuf.Buffer
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, values := range r.Header {
			fmt.Fprintln(&got, values)
		}
		_, _ = io.Copy(&got, r.Body)
	}))
	h.Cleanup(s.Close)
	h.look(place{name: "the exported spans", read: func() ([]byte, error) { return []byte(got.String()), nil }})
	return s.URL
}

// plantKeyFile plants the key-encryption key, and the tenant's data keys that it wraps.
func (h *house) plantKeyFile(books store.Store) {
	h.Helper()
	path := filepath.Join(h.folder, "curfew.key")
	text, err := os.ReadFile(path)
	if err != nil {
		h.Fatal(err)
	}
	_, encoded, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		h.Fatal(err)
	}
	h.plant(h, "the key-encryption key", string(key))
	wrapper, err := localfile.Open(path)
	if err != nil {
		h.Fatal(err)
	}
	err = books.View(h.ctx, func(tx store.Tx) error {
		installation, err := tx.Installation().ID()
		if err != nil {
			return err
		}
		generations, err := tx.Keys().List(access.DefaultTenant)
		for _, k := range generations {
			for use, wrapped := range map[secret.KeyUse][]byte{secret.SealingKey: k.Sealing, secret.AuthenticationKey: k.Authentication} {
				owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
				data, err := wrapper.Unwrap(h.ctx, secret.KeyID{Owner: owner, Generation: k.Generation, Use: use}, wrapped)
				if err != nil {
					return err
				}
				h.plant(h, "the data key for "+string(use), string(data))
			}
		}
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
}
