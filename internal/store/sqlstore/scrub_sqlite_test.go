package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const secretWord = "Rumpelstiltskin"

// inFiles counts a word in the store's file and its log.
func inFiles(t *testing.T, path, word string) (n int) {
	t.Helper()
	for _, name := range []string{path, path + "-wal"} {
		content, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		n += bytes.Count(content, []byte(word))
	}
	return n
}

// named is a settled request with the word wherever a request has words. Its size differs from the others', so that pages
// of the file are split and cells move.
func named(n int) access.Request {
	id := access.RequestID(fmt.Sprintf("req_%04d", n*7919%10000))
	return access.Request{
		ID: id, Tenant: "acme", Principal: access.PrincipalID{Issuer: "https://id.example", Subject: secretWord}, Person: secretWord,
		Reason: secretWord + strings.Repeat(" x", n%300), Ticket: secretWord, Params: map[string]string{"k": secretWord},
		State: access.RequestDenied, Duration: time.Hour,
	}
}

func eachNamed(t *testing.T, s *SQLite, count int, write func(store.Tx, access.Request) error) {
	t.Helper()
	const batch = 100
	for first := 0; first < count; first += batch {
		err := s.Update(t.Context(), "write", func(tx store.Tx) error {
			for n := first; n < first+batch; n++ {
				if err := write(tx, named(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func anonymous(tx store.Tx, r access.Request) error {
	r.Principal, r.Person = access.PrincipalID{Issuer: "erased", Subject: "e"}, "e"
	r.Reason, r.Ticket, r.Params = "", "", nil
	return tx.Redactions().Request(r)
}

// What is erased is not left in free space of the file, nor in its log: not even where pages were split.
func TestErasedIsInNoFile(t *testing.T) {
	const count = 3000
	path := filepath.Join(t.TempDir(), "books.db")
	s := openSQLite(t, path)
	eachNamed(t, s, count, func(tx store.Tx, r access.Request) error { return tx.Requests().Insert(r) })
	if n := inFiles(t, path, secretWord); n < count {
		t.Fatalf("the word is in the files %d times, so that not finding it says nothing", n)
	}
	eachNamed(t, s, count, anonymous)
	err := s.Update(t.Context(), "done", func(tx store.Tx) error {
		e := access.Erasure{ID: "er_1", Tenant: "acme", Person: secretWord, Pseudonym: "e", BegunAt: tx.Now(), Reason: secretWord}
		if err := tx.Erasures().Insert(e); err != nil {
			return err
		}
		e.DoneAt = tx.Now()
		return tx.Erasures().Update(e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := inFiles(t, path, secretWord); n > 0 {
		t.Errorf("the word is in the files %d times", n)
	}
}

// Who reads an older snapshot needs the log. It is emptied behind the first commit after that, and a commit waits for nobody.
func TestErasedOnceNobodyReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.db")
	s := openSQLite(t, path)
	eachNamed(t, s, 100, func(tx store.Tx, r access.Request) error { return tx.Requests().Insert(r) })
	err := s.View(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Requests().Get("acme", named(0).ID); err != nil {
			return err
		}
		eachNamed(t, s, 100, anonymous)
		r, err := tx.Requests().Get("acme", named(0).ID)
		if r.Person != secretWord {
			t.Errorf("the snapshot has the person %q", r.Person)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), "next", func(tx store.Tx) error { return tx.Policies().Put("acme", "d", []byte("text")) })
	if err != nil {
		t.Fatal(err)
	}
	if n := inFiles(t, path, secretWord); n > 0 {
		t.Errorf("the word is in the files %d times", n)
	}
}
