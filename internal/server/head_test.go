package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// headOf reads what the head of an installation says.
func (in *installation) headOf() (h struct {
	Position int64  `json:"position"`
	Event    string `json:"event"`
}) {
	in.Helper()
	text, err := os.ReadFile(filepath.Join(in.folder, "key.head"))
	if err != nil {
		in.Fatal(err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		in.Fatalf("%v in %s", err, text)
	}
	return h
}

func (in *installation) read(name string) string {
	in.Helper()
	content, err := os.ReadFile(filepath.Join(in.folder, name))
	if err != nil {
		in.Fatal(err)
	}
	return string(content)
}

// refuses starts a server that must refuse, and say all of this.
func (in *installation) refuses(what string, says ...string) {
	in.Helper()
	err := in.starts()
	if err == nil {
		in.stop()
		in.Fatalf("%s: the server starts", what)
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			in.Errorf("%s: the error lacks %q: %v", what, want, err)
		}
	}
}

// TestHead sets the store back under a server that was stopped.
func TestHead(t *testing.T) {
	pg := target(t, 15)
	t.Run("sqlite", func(t *testing.T) { testHead(t, newInstallation(t, pg, "sqlite")) })
	t.Run("postgres", func(t *testing.T) { testHead(t, newInstallation(t, pg, "postgres")) })
	t.Run("a new store", func(t *testing.T) { testNewStoreBesideAHead(t, newInstallation(t, pg, "sqlite")) })
	t.Run("another store", func(t *testing.T) {
		testAnothersHead(t, newInstallation(t, pg, "sqlite"), newInstallation(t, pg, "sqlite"))
	})
	t.Run("another log", func(t *testing.T) { testAnotherLog(t, newInstallation(t, pg, "sqlite")) })
	t.Run("a tree taken away", func(t *testing.T) { testTreeTakenAway(t, newInstallation(t, pg, "sqlite")) })
	t.Run("no head", func(t *testing.T) { testNoHead(t, newInstallation(t, pg, "sqlite")) })
	t.Run("while it grows", func(t *testing.T) { testHeadWhileItGrows(t, newInstallation(t, pg, "sqlite")) })
}

func testHead(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	// On PostgreSQL entries get their positions after their commit: a checkpoint is of all that there are.
	if status, body := in.call("carol-1", "GET", "/v1/audit/checkpoint", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	backup := in.backup("backup")
	kept := endOf(t, backup)
	in.ask("alice-1", "read")
	in.ask("alice-1", "write")
	in.stop()
	known := in.headOf()
	if known.Position < 9 {
		t.Fatalf("after nine events at least the head is at %d", known.Position)
	}
	// A second machine has a head of its own, from a little earlier, and never saw the end.
	head := in.read("key.head")

	// The store comes back as it was, by other means.
	in.lose()
	if err := server.Restore(t.Context(), in.config(), backup, io.Discard); err != nil {
		t.Fatal(err)
	}
	in.forgetRestore()
	in.write("key.head", head)
	in.refuses("a store that was set back", fmt.Sprintf("ends at position %d,", kept), fmt.Sprintf("the events at %d to ", kept+1), "key.head", "--as-is")
	if in.headOf() != known {
		t.Error("a start that was refused has moved the head")
	}
	var said strings.Builder
	if err := server.AcceptStore(t.Context(), in.config(), &said); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), fmt.Sprintf("The events at %d to ", kept+1)) || in.headOf().Position != kept {
		t.Errorf("the head is at %d, and what is said:\n%s", in.headOf().Position, said.String())
	}
	// The other machine's head is explained by the same restore.
	in.write("key.head", head)
	in.write("carol", "carol-2")
	in.start()
	if !strings.Contains(in.log.String(), "the head is moved") {
		t.Errorf("the log does not tell that the head was moved:\n%s", in.log.String())
	}
	var events api.EventList
	if _, body := in.call("carol-2", "GET", fmt.Sprintf("/v1/events?wait=10s&after=%d&limit=1000", kept), ""); json.Unmarshal([]byte(body), &events) != nil {
		t.Fatal(body)
	}
	for _, ev := range events.Items {
		if ev.Kind == "store.restored" && ev.Detail["kept_position"] == fmt.Sprint(kept) && ev.Detail["lost_event"] == known.Event {
			return
		}
	}
	t.Errorf("no event has both heads: %+v", events.Items)
}

// endOf is where the audit log in a backup ends.
func endOf(t *testing.T, backup string) int64 {
	t.Helper()
	b, err := sqlstore.OpenBackup(t.Context(), backup)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := b.Newest(t.Context(), access.DefaultTenant)
	if err != nil || newest.Position == 0 {
		t.Fatalf("the log in the backup ends at %d, %v", newest.Position, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return newest.Position
}

// forgetRestore takes the note of a restore out of the store, as if its own tools had set it back.
func (in *installation) forgetRestore() {
	in.Helper()
	if at := in.read("store"); strings.HasPrefix(at, "postgres") {
		in.run("ALTER TABLE curfew.restores DISABLE TRIGGER USER", "DELETE FROM curfew.restores", "ALTER TABLE curfew.restores ENABLE TRIGGER USER")
		return
	}
	in.beside(`DROP TRIGGER restores_kept; DELETE FROM restores;
		CREATE TRIGGER restores_kept BEFORE DELETE ON restores BEGIN SELECT RAISE(ABORT, 'restores are kept'); END`)
}

// A store that is not there is not begun anew where one was in use.
func testNewStoreBesideAHead(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	in.stop()
	in.lose()
	in.refuses("a new store", "new and empty", "key.head", "curfewd restore", "move the file away")
	if err := server.AcceptStore(t.Context(), in.config(), io.Discard); err == nil || !strings.Contains(err.Error(), "nothing in it to accept") {
		t.Errorf("an empty store is accepted: %v", err)
	}
	if err := os.Remove(filepath.Join(in.folder, "key.head")); err != nil {
		t.Fatal(err)
	}
	in.start()
}

// A head is believed only if this store's key has signed it, and a backup is not restored beside another store's.
func testAnothersHead(t *testing.T, in, other *installation) {
	for _, each := range []*installation{in, other} {
		each.start()
		each.ask("alice-1", "read")
		each.stop()
	}
	backup := in.backup("backup")
	in.write("key.head", other.read("key.head"))
	in.refuses("another store's head", "of another store", "key.head", "move the file away")
	in.lose()
	if err := server.Restore(t.Context(), in.config(), backup, io.Discard); err == nil || !strings.Contains(err.Error(), "of another store") {
		t.Errorf("restored beside another store's head: %v", err)
	}
	in.write("key.head", "{}")
	in.refuses("no head", "new and empty") // the store is lost
}

// A log that says something else where the head was is another log.
func testAnotherLog(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	in.stop()
	in.beside(`DROP TRIGGER events_unchanged; UPDATE events SET leaf = x'7b7d' WHERE position = (SELECT max(position) FROM events)`)
	in.refuses("a leaf that was changed", "this is another log, or it was changed", "key.head", in.headOf().Event)
}

// Who takes the tree away while no server runs, and puts another order of the entries in its place, has all that it takes but
// the checkpoint beside the key file. The newest entry, which the head has too, is where it was.
func testTreeTakenAway(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	in.checkpoint()
	in.stop()
	in.beside(`DROP TRIGGER events_unchanged; DELETE FROM log_tiles; DELETE FROM log_heads;
		UPDATE events SET position = 1000 WHERE position = 2; UPDATE events SET position = 2 WHERE position = 3; UPDATE events SET position = 3 WHERE position = 1000`)
	in.refuses("another order of the entries", "was rewritten, or set back", "key.head", "--as-is")
	if err := server.AcceptStore(t.Context(), in.config(), io.Discard); err != nil {
		t.Fatal(err)
	}
	in.start()
}

// Without a head a store is taken as it is, loudly; from then on there is one.
func testNoHead(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	in.stop()
	known := in.headOf()
	if err := os.Remove(filepath.Join(in.folder, "key.head")); err != nil {
		t.Fatal(err)
	}
	in.start()
	if !strings.Contains(in.log.String(), "level=WARN msg=\"there is no head of the audit log here") {
		t.Errorf("nobody is told:\n%s", in.log.String())
	}
	if got := in.headOf(); got.Position < known.Position {
		t.Errorf("the head is at %d, was at %d", got.Position, known.Position)
	}
	in.stop()
	in.write("key.head", "half a he")
	in.refuses("a head that is torn", "cannot be read", "key.head")
}

// Whoever reads the file finds a whole head, and each is further than the one before.
func testHeadWhileItGrows(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	for last := int64(0); last < 8; {
		in.ask("alice-1", "write")
		for before := last; last == before; {
			in.call("alice-1", "GET", "/v1/whoami", "")
			if _, err := os.Stat(filepath.Join(in.folder, "key.head")); err != nil {
				continue // a new log has no head before its first second
			}
			if last = in.headOf().Position; last < before {
				t.Fatalf("the head goes back from %d to %d", before, last)
			}
		}
	}
	in.stop()
	if left, err := filepath.Glob(filepath.Join(in.folder, "key.head.*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
