package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

const deliveryConfig = `
server: {listen: "127.0.0.1:0"}
store: "sqlite:curfew.db"
connectors:
  db:
    type: postgres
    dsn: "file:%[1]s/dsn"
    databases: [orders]
    permissions: {read: {roles: [orders_read]}}
policies:
  - {name: read, who: ["group:engineering"], what: ["db/orders:read"], max_duration: 1h, approve: [{from: ["group:leads"]}]}
audit:
  witnesses: [{name: nas, file: witness/checkpoints, every: 1s}]
  streams:
    - {name: lake, webhook: %[2]q, secret: "file:%[1]s/secret"}
    - {name: siem, syslog: "tcp://%[3]s"}
`

// arrived is what a receiver was sent, by position, and whether anything came out of its order.
type arrived struct {
	mu     sync.Mutex
	ids    map[int64]access.EventID
	newest int64
	wrong  error
}

func (a *arrived) take(position int64, id access.EventID) {
	switch {
	case position > a.newest+1:
		a.wrong = fmt.Errorf("behind position %d came %d", a.newest, position)
	case a.ids[position] != "" && a.ids[position] != id:
		a.wrong = fmt.Errorf("position %d came as %s and as %s", position, a.ids[position], id)
	}
	a.ids[position], a.newest = id, max(a.newest, position)
}

// ServeHTTP takes lines of JSON, slowly enough to be interrupted.
func (a *arrived) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		var record struct {
			Position int64
			ID       access.EventID
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			a.wrong = err
			return
		}
		a.take(record.Position, record.ID)
	}
}

func (a *arrived) state() (newest int64, wrong error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest, a.wrong
}

// TestDeliveryIsKilled kills curfewd again and again while it delivers to a webhook, a log server and a witness. Every entry
// arrives at each in order, nothing is missing, and the witness agrees to the end.
func TestDeliveryIsKilled(t *testing.T) {
	pg := curfewdtest.StartTarget(t, localpeer.PostgresOptions{})
	lake := &arrived{ids: map[int64]access.EventID{}}
	server := httptest.NewServer(lake)
	t.Cleanup(server.Close)
	siem, err := localpeer.StartRsyslog(t.Context(), localpeer.RsyslogOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = siem.Stop() })
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "witness"), 0o700); err != nil {
		t.Fatal(err)
	}
	company := curfewdtest.NewCompany(t, folder, map[string]string{
		"dsn": pg.AccountDSN(), "secret": "a-shared-key",
		"curfew.yaml": fmt.Sprintf(deliveryConfig+curfewdtest.Directory, folder, server.URL, siem.Addr()),
	})
	child := start(t, company.Config(), "")
	for round := range 8 {
		for range 25 {
			submit(t, company, child.Addr())
		}
		before, _ := lake.state()
		await(t, "the webhook is sent something", func() bool { now, _ := lake.state(); return now > before })
		if round < 7 {
			child.Kill()
			child = start(t, company.Config(), "")
		}
	}
	logged := int64(8 * 25)
	await(t, "everything is delivered", func() bool {
		now, _ := lake.state()
		lines, err := siem.Lines()
		return err == nil && now >= logged && len(lines) >= int(logged)
	})
	child.Stop()
	if _, wrong := lake.state(); wrong != nil {
		t.Error(wrong)
	}
	holdDeliveries(t, filepath.Join(folder, "curfew.db"), lake, siem, filepath.Join(folder, "witness", "checkpoints"))
	if unforeseen := child.Unforeseen(); len(unforeseen) > 0 {
		t.Errorf("the child says %v", unforeseen)
	}
}

func submit(t *testing.T, company *curfewdtest.Company, addr string) {
	t.Helper()
	r, err := company.As(t, curfewdtest.Alice, addr, nil).SubmitRequestWithResponse(t.Context(), nil, client.RequestBody{
		Entitlements: []string{"db/orders:read"}, Duration: "10m", Reason: "order 17",
	})
	if err != nil || r.StatusCode() != http.StatusCreated {
		t.Fatalf("%v: %s", err, r.Body)
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 3000 {
		if so() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("it does not come to this: %s", what)
}

// holdDeliveries holds what arrived against the books.
func holdDeliveries(t *testing.T, storeAt string, lake *arrived, siem *localpeer.Rsyslog, witness string) {
	t.Helper()
	s, err := sqlstore.OpenSQLite(t.Context(), storeAt, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	books, err := curfewdtest.ReadBooks(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := siem.Lines()
	if err != nil {
		t.Fatal(err)
	}
	bySyslog := &arrived{ids: map[int64]access.EventID{}}
	for _, line := range lines {
		var record struct {
			Position int64
			ID       access.EventID
		}
		if err := json.Unmarshal([]byte(line.Message), &record); err != nil {
			t.Fatalf("%s: %v", line.Message, err)
		}
		bySyslog.take(record.Position, record.ID)
	}
	for _, got := range []*arrived{lake, bySyslog} {
		if got.wrong != nil {
			t.Error(got.wrong)
		}
		for _, e := range books.Events {
			if got.ids[e.Position] != e.ID {
				t.Errorf("position %d is %s, and %q arrived", e.Position, e.ID, got.ids[e.Position])
			}
		}
	}
	file, err := os.Open(witness)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	notes := audit.SplitCheckpoints(text)
	var head store.LogHead
	err = s.View(t.Context(), func(tx store.Tx) (err error) { head, err = tx.Log().Head(access.DefaultTenant); return err })
	if err != nil || len(notes) == 0 || string(notes[len(notes)-1]) != string(head.Checkpoint) {
		t.Errorf("%v: the witness's last of %d checkpoints is not the store's", err, len(notes))
	}
}
