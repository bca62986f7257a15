package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// installation is a folder with a configuration, its secrets and its books.
type installation struct{ folder string }

// askers is how many people ask in turn, since nobody may have more than engine.MaxOpen requests and grants open.
const askers = 600

func asker(n int) string { return fmt.Sprintf("asker-%d", n%askers) }

// holder is one of the half of them in whose names books are seeded, and newcomer one of the others.
func holder(n int) string   { return asker(n % (askers / 2)) }
func newcomer(n int) string { return asker(askers/2 + n%(askers/2)) }

// configText has one connector of the type that the number needs. Bob reviews, Carol administers, all others ask.
const configText = `
server: {listen: "127.0.0.1:0"}
store: "sqlite:curfew.db"
directory:
  static:
%[3]s
    - {id: bob, kind: human, groups: [leads], token: "file:%[1]s/bob"}
    - {id: carol, kind: human, groups: [platform], token: "file:%[1]s/carol"}
roles: {admin: ["group:platform"]}
connectors:
  db: %[2]s
policies:
  - {name: read, who: ["group:engineering"], what: ["db/orders:read"], max_duration: 24h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["db/orders:write"], max_duration: 24h, approve: [{from: ["group:leads"]}]}
`

// memoryConnector is a target in the memory of the server.
const memoryConnector = `{type: memory, resources: {orders: [read, write]}}`

// install makes an installation in a new folder beside the program's own temporary files.
func install(connector string) (installation, error) {
	folder, err := os.MkdirTemp("", "curfew-bench-")
	if err != nil {
		return installation{}, err
	}
	i := installation{folder: folder}
	files := map[string]string{"bob": i.token("bob"), "carol": i.token("carol")}
	var people strings.Builder
	for n := range askers {
		files[asker(n)] = i.token(asker(n))
		fmt.Fprintf(&people, "    - {id: %[1]s, kind: human, groups: [engineering], token: \"file:%[2]s/%[1]s\"}\n", asker(n), folder)
	}
	files["curfew.yaml"] = fmt.Sprintf(configText, folder, connector, people.String())
	for name, content := range files {
		if err := i.write(name, content); err != nil {
			return i, err
		}
	}
	return i, nil
}

func (i installation) write(name, content string) error {
	return os.WriteFile(filepath.Join(i.folder, name), []byte(content), 0o600) //nolint:gosec // both names are ours
}

// edit changes the configuration.
func (i installation) edit(old, now string) error {
	text, err := os.ReadFile(i.config())
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), old) {
		return fmt.Errorf("the configuration has no %q", old)
	}
	return i.write("curfew.yaml", strings.ReplaceAll(string(text), old, now))
}

func (i installation) config() string    { return filepath.Join(i.folder, "curfew.yaml") }
func (i installation) storePath() string { return filepath.Join(i.folder, "curfew.db") }
func (i installation) keyPath() string   { return filepath.Join(i.folder, "curfew.key") }

// relativeDSN stands in a connector's configuration for the file dsn, until wholeDSN names it by its whole path.
const relativeDSN = `"file:dsn"`

func (i installation) wholeDSN() string { return `"file:` + filepath.Join(i.folder, "dsn") + `"` }

// token is guessable: the server listens on loopback, for minutes, with nothing to protect.
func (i installation) token(who string) string { return who + "-" + filepath.Base(i.folder) }

func (i installation) start(ctx context.Context, args ...string) (*child, error) {
	return startChild(ctx, append([]string{"-config", i.config()}, args...)...)
}

// remove deletes the folder.
func (i installation) remove() error { return os.RemoveAll(i.folder) }

// books opens the store; no server may run.
func (i installation) books(ctx context.Context, read func(*sqlstore.SQLite) error) error {
	s, err := sqlstore.OpenSQLite(ctx, i.storePath(), sqlstore.Options{})
	if err != nil {
		return err
	}
	return errors.Join(read(s), s.Close())
}

// grants reads every grant of the books; no server may run.
func (i installation) grants(ctx context.Context) (map[access.GrantID]access.Grant, error) {
	all := map[access.GrantID]access.Grant{}
	err := i.books(ctx, func(s *sqlstore.SQLite) error {
		return eachGrant(ctx, s, func(g access.Grant) { all[g.ID] = g })
	})
	return all, err
}

// eachGrant visits every grant of the books.
func eachGrant(ctx context.Context, s *sqlstore.SQLite, visit func(access.Grant)) error {
	page := store.Page{Limit: 1000}
	for {
		err := s.View(ctx, func(tx store.Tx) error {
			items, next, err := tx.Grants().List(access.DefaultTenant, store.GrantFilter{}, page)
			page.After = next
			for _, g := range items {
				visit(g)
			}
			return err
		})
		if err != nil || page.After == "" {
			return err
		}
	}
}
