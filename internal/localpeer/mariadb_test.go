package localpeer_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// A kept folder has its data at the next start, and root another password.
func TestMariaDB(t *testing.T) {
	folder := filepath.Join(openDir(t), "kept")
	o := localpeer.MariaDBOptions{DataDir: folder}
	old := ""
	for _, statement := range []string{"CREATE DATABASE orders", "DROP DATABASE orders"} {
		m, err := localpeer.StartMariaDB(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Script(t.Context(), statement); err != nil {
			t.Error(err)
		}
		if old != "" {
			db, err := sql.Open("mysql", m.Config("", "root", old).FormatDSN())
			if err != nil {
				t.Fatal(err)
			}
			if err := db.PingContext(t.Context()); err == nil {
				t.Error("root's old password works")
			}
			_ = db.Close()
		}
		old = m.RootConfig("").Passwd
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	}
}
