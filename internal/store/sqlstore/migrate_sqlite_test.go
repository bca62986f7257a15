package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// storeOfVersion writes rows to a store as it was when it had had only these migrations.
func storeOfVersion(t *testing.T, version int64, rows ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "books.db")
	writeFile(t, path, nil)
	inStore(t, path, "PRAGMA application_id = 1129465431")
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	d, err := sqliteDialect()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(d.goose, db, d.migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, text := range rows {
		mustExec(t, db, text)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMigrateSessions opens a store that was written before browsers had sessions: those of programs, and sign-ins under way, go on.
func TestMigrateSessions(t *testing.T) {
	path := storeOfVersion(t, 40,
		`INSERT INTO sessions (tenant, id, issuer, subject, person, label, created_at, used_at, ends_at, token, challenge, kind, scopes,
			issued_by_issuer, issued_by_subject, provider_session)
			VALUES ('acme', 'se_1', 'sso', 'ada', 'p', 'curfew on vm', 1, 2, 3, zeroblob(32), '', 'token', '["read"]', 'sso', 'bo', 'there')`,
		`INSERT INTO sessions (tenant, id, issuer, subject, person, label, created_at, used_at, ends_at, code, challenge, code_until)
			VALUES ('acme', 'se_2', 'sso', 'ada', 'p', 'curfew on vm', 1, 2, 3, zeroblob(32), 'c', 4)`,
	)
	s := openSQLite(t, path)
	err := s.View(t.Context(), func(tx store.Tx) error {
		got, err := tx.Sessions().ByToken("acme", store.SecretHash{})
		want := access.Session{
			ID: "se_1", Tenant: "acme", Kind: access.SessionToken, Principal: access.PrincipalID{Issuer: "sso", Subject: "ada"}, Person: "p",
			Scopes: []access.Scope{access.ScopeRead}, IssuedBy: access.PrincipalID{Issuer: "sso", Subject: "bo"}, ProviderSession: "there",
			Label: "curfew on vm", CreatedAt: access.FromMicros(1), UsedAt: access.FromMicros(2), EndsAt: access.FromMicros(3),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the session (-want +got):\n%s", diff)
		}
		if err != nil {
			return err
		}
		under, err := tx.Sessions().ByCode("acme", store.SecretHash{})
		if under.ID != "se_2" || under.Challenge != "c" || !under.Until.Equal(access.FromMicros(4)) || under.Kind != access.SessionSignIn {
			t.Errorf("what is under way: %+v", under)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMigrateEvents opens a store that was written when events had a position from the beginning.
func TestMigrateEvents(t *testing.T) {
	path := storeOfVersion(t, 1,
		`INSERT INTO events VALUES ('acme', 1, 'ev_z', 10, 'k', 'req', NULL, 'p', x'01')`,
		`INSERT INTO events VALUES ('acme', 2, 'ev_a', 20, 'k', NULL, 'gr', 'p', x'02')`,
		`INSERT INTO event_personal VALUES ('acme', 1, 0, 'reason', 'order 17', x'03')`,
		`INSERT INTO event_personal VALUES ('acme', 1, 1, 'comment', 'fine', NULL)`,
	)
	s := openSQLite(t, path)
	later := store.EventRow{Tenant: "acme", ID: "ev_b", Kind: "k", Leaf: []byte{4}}
	var got []store.EventRow
	err := s.Update(t.Context(), "go on", func(tx store.Tx) (err error) {
		if err := tx.Events().Append(later); err != nil {
			return err
		}
		if _, err := tx.Events().Sequence("acme", 10); err != nil {
			return err
		}
		got, err = tx.Events().List("acme", store.EventFilter{}, 0, 10)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	later.Position = 3
	want := []store.EventRow{
		{Position: 1, ID: "ev_z", Tenant: "acme", At: access.FromMicros(10), Kind: "k", Request: "req", Person: "p", Leaf: []byte{1},
			Personal: []store.PersonalValue{{Field: "reason", Value: "order 17", Salt: []byte{3}}, {Field: "comment", Value: "fine"}}},
		{Position: 2, ID: "ev_a", Tenant: "acme", At: access.FromMicros(20), Kind: "k", Grant: "gr", Person: "p", Leaf: []byte{2}},
		later,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	for _, table := range texts(t, openBeside(t, path), `SELECT name FROM sqlite_schema WHERE name IN ('events_1', 'event_personal_1')`) {
		t.Errorf("%s is left over", table)
	}
}
