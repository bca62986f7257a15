package dev

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	"github.com/curfewhq/curfew/internal/connector/mysql"
	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed mariadb.sql
var mariaDBData string

//go:embed mariadb.yaml
var mariaDBConfig string

func mariaDBKind() kind {
	return kind{name: "mariadb", present: localpeer.HasMariaDB, start: startMariaDB}
}

// readMariaDB is what the demo's engineers have for the asking at the MariaDB.
const readMariaDB = "orders-maria/orders:read"

// mariaDB is a private MariaDB of the demo's.
type mariaDB struct{ *localpeer.MariaDB }

func startMariaDB(ctx context.Context, f *folder, progress io.Writer) (target, error) {
	server, err := localpeer.StartMariaDB(ctx, localpeer.MariaDBOptions{Progress: progress})
	if err != nil {
		return nil, err
	}
	m := mariaDB{server}
	if err := m.setUp(ctx, f); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return m, nil
}

// setUp gives the server what a company has, and Curfew its accounts there, and writes down how Curfew reaches it.
func (m mariaDB) setUp(ctx context.Context, f *folder) error {
	statements := mysql.MariaDBSetUp()
	for _, name := range []string{account, observer} {
		password, err := f.secret(name + ".mariadb-password")
		if err != nil {
			return err
		}
		// The password is of letters, digits, - and _ only.
		statements += fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n", name, password)
	}
	if err := m.Script(ctx, statements+mariaDBData); err != nil {
		return err
	}
	return f.configure("mariadb.yaml", mariaDBConfig, struct{ Address, Secrets string }{m.Addr(), f.secrets()})
}

func (m mariaDB) offer() string {
	return `With the private MariaDB:

  curfew request ` + readMariaDB + ` --for 2m --reason "look at order 17" --wait
  eval "$(curfew credential ` + readMariaDB + ` --env)" && mariadb --user=$MYSQL_USER -e 'TABLE orders' $MYSQL_DATABASE
`
}

func (m mariaDB) visitor(t *tour) visitor { return &mariaVisitor{tour: t, mariaDB: m} }

func (m mariaDB) stop() error { return m.Stop() }
