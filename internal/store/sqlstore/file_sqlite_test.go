package sqlstore

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

// makeStore leaves a closed store with n policies in a new folder.
func makeStore(t *testing.T, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Update(t.Context(), "put", put(strings.Repeat("x", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// inStore runs a statement on a closed store.
func inStore(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, text)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRefused lists what OpenSQLite refuses, with a sentence that says what to do, leaving the file as it was.
func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T) (path string)
		want []string
	}{
		{"no folder", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none", "books.db") },
			[]string{"folder", "create it"}},
		{"folder is a file", func(t *testing.T) string { return filepath.Join(makeStore(t, 0), "books.db") },
			[]string{"folder"}},
		{"folder open to everybody", func(t *testing.T) string {
			path := makeStore(t, 0)
			if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"everybody may write", "0700"}},
		{"file open to others", func(t *testing.T) string {
			path := makeStore(t, 0)
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"mode 0640", "chmod 600"}},
		{"symbolic link", func(t *testing.T) string {
			path := makeStore(t, 0)
			link := filepath.Join(filepath.Dir(path), "link.db")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			return link
		}, []string{"not a regular file", "not a link"}},
		{"a folder in its place", func(t *testing.T) string { return t.TempDir() }, []string{"not a regular file"}},
		{"a text", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "books.db")
			writeFile(t, path, []byte("dear diary"))
			return path
		}, []string{"not an SQLite database"}},
		{"another program's database", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "books.db")
			writeFile(t, path, nil)
			inStore(t, path, `CREATE TABLE songs (title TEXT)`)
			return path
		}, []string{"another program"}},
		{"cut off", func(t *testing.T) string {
			path := makeStore(t, 20)
			if err := os.Truncate(path, 8192); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"damaged", "backup"}},
		{"pages overwritten", func(t *testing.T) string {
			path := makeStore(t, 20)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(content); i += 64 {
				content[i] ^= 0xff
			}
			writeFile(t, path, content)
			return path
		}, []string{"cannot be opened", "backup"}},
		{"a newer schema", func(t *testing.T) string {
			path := makeStore(t, 0)
			inStore(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
			return path
		}, []string{"schema 99999", "newer program"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := test.make(t)
			before, _ := os.ReadFile(path)
			s, err := OpenSQLite(t.Context(), path, Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("it opens")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant it to say %q", err, want)
				}
			}
			if kind := access.KindOf(err); kind != access.KindMisconfigured && kind != access.KindUnavailable {
				t.Errorf("got the kind %q", kind)
			}
			after, _ := os.ReadFile(path)
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestFileModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Update(t.Context(), "put", put("x")); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("the file%s has mode %04o", suffix, mode)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "50%25.db", "what?mode=memory", "#1.db", "é&_pragma=x;y.db", ":memory:", "'"} {
		path := filepath.Join(t.TempDir(), name)
		for range 2 {
			s, err := OpenSQLite(t.Context(), path, Options{})
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			if err := s.Close(); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if want := []string{name, name + ".lock", name + ".turn"}; !slices.Equal(names, want) {
			t.Errorf("%q: the folder has %q, want %q", name, names, want)
		}
	}
}

// TestKilledWhileMaking opens what a process leaves that is killed between the steps of making a store.
func TestKilledWhileMaking(t *testing.T) {
	steps := map[string][]string{
		"empty file": nil,
		"marked":     {"PRAGMA application_id = 1129465431"},
		"log begun":  {"PRAGMA application_id = 1129465431", "PRAGMA journal_mode = WAL"},
	}
	for name, texts := range steps {
		path := filepath.Join(t.TempDir(), "books.db")
		writeFile(t, path, nil)
		for _, text := range texts {
			inStore(t, path, text)
		}
		s, err := OpenSQLite(t.Context(), path, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecondOpener(t *testing.T) {
	path := makeStore(t, 0)
	// What a dead process left is no lock.
	writeFile(t, path+".lock", []byte("999999999\n"))
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("a stale lock: %v", err)
	}
	if second, err := OpenSQLite(t.Context(), path, Options{}); err == nil {
		_ = second.Close()
		t.Error("the store opens twice")
	} else if access.KindOf(err) != access.KindUnavailable || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("got %v, want that another process has it open", err)
	}
	if err := s.Update(t.Context(), "put", put("x")); err != nil {
		t.Errorf("the first opener after the second: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenSQLite(t.Context(), path, Options{}); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Check finds what has become damaged since the store was opened.
func TestCheck(t *testing.T) {
	whole, _ := openRaw(t)
	if err := whole.Check(t.Context()); err != nil {
		t.Errorf("a whole store: %v", err)
	}
	path := makeStore(t, 100)
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 2; i < len(content); i++ {
		content[i] ^= 0xff
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("a damaged store: %v", err)
	}
}
