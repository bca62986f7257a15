package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/server"
)

// withKeys opens the keys beside the server, or without one.
func (in *installation) withKeys(fn func(*server.Keys) error) error {
	in.Helper()
	keys, err := server.OpenKeys(in.Context(), in.config())
	if err != nil {
		return err
	}
	defer func() {
		if err := keys.Close(); err != nil {
			in.Error(err)
		}
	}()
	return fn(keys)
}

// rotate runs to its end.
func (in *installation) rotate(generation int) {
	in.Helper()
	var said strings.Builder
	if err := in.withKeys(func(k *server.Keys) error { return k.Rotate(in.Context(), &said) }); err != nil {
		in.Fatalf("%v: %s", err, said.String())
	}
	if !strings.Contains(said.String(), fmt.Sprintf("Generation %d of the keys is made", generation)) {
		in.Errorf("the rotation says %s", said.String())
	}
}

func (in *installation) keys() (list []engine.KeyStatus) {
	in.Helper()
	err := in.withKeys(func(k *server.Keys) (err error) { list, err = k.Status(in.Context()); return err })
	if err != nil {
		in.Fatal(err)
	}
	return list
}

// giveBack returns a grant, and waits until it has ended.
func (in *installation) giveBack(grant string) {
	in.Helper()
	if status, body := in.call("alice-1", "POST", "/v1/grants/"+grant+"/return", ""); status != http.StatusOK {
		in.Fatalf("%d %s", status, body)
	}
	in.until("the grant ends", func() bool {
		_, body := in.call("alice-1", "GET", "/v1/grants/"+grant, "")
		return strings.Contains(body, `"state":"ended"`)
	})
}

func TestKeys(t *testing.T) {
	pg := target(t, 15)
	run := func(name, kind string, test func(*testing.T, *installation)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a rotation takes ten seconds, in which nothing happens
			test(t, newInstallation(t, pg, kind))
		})
	}
	run("rotated beside a server on SQLite", "sqlite", testRotateBeside)
	run("rotated beside a server on PostgreSQL", "postgres", testRotateBeside)
	run("rotated without a server", "sqlite", testRotateAlone)
	run("a store of before a rotation", "sqlite", testHeadOfLaterKeys)
	for name, key := range wrappers(t) {
		run("moved to "+name, "sqlite", func(t *testing.T, in *installation) { testRewrap(t, in, key) })
		run("begun with "+name, "sqlite", func(t *testing.T, in *installation) { testBackupWith(t, in, key) })
	}
}

func testRotateBeside(t *testing.T, in *installation) {
	in.start()
	live := in.ask("alice-1", "read")
	in.rotate(2)
	if list := in.keys(); len(list) != 2 || list[0].Seals() || list[0].Uses.Grants != 1 || list[1].Uses.Plans != 1 {
		t.Errorf("the keys are %+v", list)
	}
	later := in.ask("alice-1", "read")
	for _, r := range []string{live.Grants[0].ID, later.Grants[0].ID} {
		in.giveBack(r)
	}
	if in.roles(live) != 0 || in.roles(later) != 0 {
		t.Error("what was given before or after the rotation is still at the target")
	}
	in.stop()
	in.start() // under the head that the new key has signed
	if again := in.ask("alice-1", "read"); in.roles(again) != 1 {
		t.Error("what was granted after a restart is not at the target")
	}
}

func testRotateAlone(t *testing.T, in *installation) {
	in.start()
	live := in.ask("alice-1", "read")
	in.stop()
	in.rotate(2)
	in.start()
	in.giveBack(live.Grants[0].ID)
	if in.roles(live) != 0 {
		t.Error("what was given before the rotation is still at the target")
	}
}

// testHeadOfLaterKeys sets the store back to before a rotation. A start notices, and a restore goes on.
func testHeadOfLaterKeys(t *testing.T, in *installation) {
	in.start()
	in.ask("alice-1", "read")
	backup := in.backup("backup")
	in.stop()
	before := in.read("curfew.db")
	in.start()
	in.rotate(2)
	in.ask("alice-1", "read")
	in.stop()
	in.lose()
	in.write("curfew.db", before)
	in.refuses("a store of before the rotation", "generation 2 of the keys", "before the keys were rotated", "curfewd restore")
	in.lose()
	if err := server.Restore(in.Context(), in.config(), backup, &strings.Builder{}); err != nil {
		t.Fatal(err)
	}
	in.write("alice", "alice-2")
	in.write("carol", "carol-2")
	in.start()
	if status, body := in.call("alice-1", "GET", "/v1/whoami", ""); status != http.StatusUnauthorized {
		t.Errorf("the old token: %d %s", status, body)
	}
	in.rotate(2)
	if status, body := in.call("alice-1", "GET", "/v1/whoami", ""); status != http.StatusUnauthorized {
		t.Errorf("the old token, after a rotation: %d %s", status, body)
	}
	in.stop()
	in.start()
	if status, body := in.call("alice-1", "GET", "/v1/whoami", ""); status != http.StatusUnauthorized {
		t.Errorf("the old token, after a rotation and a restart: %d %s", status, body)
	}
}

// wrappers are the ways to wrap keys, as server.key has them, but for the default.
func wrappers(t *testing.T) map[string]string {
	t.Helper()
	moto, err := localpeer.StartMoto(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Stop(); err != nil {
			t.Error(err)
		}
	})
	arn, err := moto.CreateKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"another file": "another/curfew.key", "a passphrase": "{passphrase: file:passphrase}",
		"AWS KMS": fmt.Sprintf("{aws_kms: {key: %q, endpoint: %q, access_key_id: file:kms, secret_access_key: file:kms}}", arn, moto.URL()),
	}
}

// useKey writes another key into the configuration; the head stays where it was.
func (in *installation) useKey(name, key string) {
	in.Helper()
	in.write("passphrase", "correct horse battery staple\n")
	in.write("kms", "testing")
	in.write(name, strings.Replace(restoreConfig, "key: key}", "key: "+key+", head: key.head}", 1))
}

func testRewrap(t *testing.T, in *installation, key string) {
	in.start()
	live := in.ask("alice-1", "read")
	in.useKey("next.yaml", key)
	to := in.configAt("next.yaml").Server.Key
	var said strings.Builder
	rewrap := func() error {
		return in.withKeys(func(k *server.Keys) error { return k.Rewrap(in.Context(), to, &said) })
	}
	if err := rewrap(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "read back") {
		t.Errorf("it says %s", said.String())
	}
	later := in.ask("alice-1", "read") // the server goes on with the keys that it has
	in.stop()
	in.refuses("the old key", "server.key", "rewrap")
	in.useKey("curfew.yaml", key)
	in.start()
	in.giveBack(live.Grants[0].ID)
	in.giveBack(later.Grants[0].ID)
}

// testBackupWith restores a backup with the keys of two generations.
func testBackupWith(t *testing.T, in *installation, key string) {
	in.useKey("curfew.yaml", key)
	in.start()
	live := in.ask("alice-1", "read")
	in.rotate(2)
	backup := in.backup("backup")
	in.stop()
	in.lose()
	if err := server.Restore(in.Context(), in.config(), backup, &strings.Builder{}); err != nil {
		t.Fatal(err)
	}
	in.write("carol", "carol-2")
	in.write("alice", "alice-2")
	in.start()
	in.until("what was live when the backup was taken is taken back", func() bool { return in.roles(live) == 0 })
	if list := in.keys(); len(list) != 2 || list[1].Uses.Restores != 1 {
		t.Errorf("the keys are %+v", list)
	}
}

// A passphrase that is wrong is said to be wrong, and nothing is begun.
func TestWrongPassphrase(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	in.useKey("curfew.yaml", "{passphrase: file:passphrase}")
	in.start()
	in.stop()
	in.write("passphrase", "incorrect horse battery staple")
	in.refuses("a wrong passphrase", "the passphrase is wrong")
}

// OpenKeys makes no store and no keys of its own.
func TestKeysOfNoStore(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	if err := in.withKeys(func(*server.Keys) error { return nil }); err == nil {
		t.Error("there are keys of a store that is not there")
	}
	if _, err := os.Stat(filepath.Join(in.folder, "curfew.db")); !os.IsNotExist(err) {
		t.Errorf("a store was made: %v", err)
	}
}
