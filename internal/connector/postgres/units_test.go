package postgres

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
)

// TestSCRAMVerifier compares with RFC 7677's example: user, password "pencil", its salt and 4096 iterations. The stored key
// and the server key are what the example's exchange proves.
func TestSCRAMVerifier(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	got, err := scramVerifier("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got != want {
		t.Errorf("the verifier is\n%s, want\n%s", got, want)
	}
}

func TestPasswordsAreLongAndDiffer(t *testing.T) {
	a, b := newPassword(), newPassword()
	if raw, err := base64.RawURLEncoding.DecodeString(a); err != nil || len(raw) != 32 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if a == b {
		t.Error("two passwords are equal")
	}
}

// TestTimestampIsNeverLate: the server keeps microseconds.
func TestTimestampIsNeverLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "ns"))
		got, err := time.Parse("2006-01-02 15:04:05.999999-07", timestamp(at))
		if err != nil || got.After(at) || at.Sub(got) >= time.Microsecond {
			t.Errorf("%v becomes %v, %v", at, got, err)
		}
	})
}

func TestCredential(t *testing.T) {
	for dsn, want := range map[string]struct{ uri, host, port, mode string }{
		"postgres://curfew:own-secret@db.example:6543/postgres?sslmode=disable": {
			"postgres://curfew_alice:pass@db.example:6543/my%20db", "db.example", "6543", ""},
		"postgres://curfew:own-secret@db.example/postgres": {
			"postgres://curfew_alice:pass@db.example:5432/my%20db", "db.example", "5432", ""},
		"postgres://curfew:own-secret@[::1]:1/postgres?sslmode=require": {
			"postgres://curfew_alice:pass@[::1]:1/my%20db?sslmode=require", "::1", "1", "require"},
		"postgres://curfew:own-secret@a:1,b:2/postgres?sslmode=verify-full": {
			"postgres://curfew_alice:pass@a:1,b:2/my%20db?sslmode=verify-full", "a,b", "1,2", "verify-full"},
		"postgres://curfew:own-secret@a:1,b:2/postgres?sslmode=prefer": {
			"postgres://curfew_alice:pass@a:1,b:2/my%20db", "a,b", "1,2", ""},
		"host=/run/postgresql user=curfew password=own-secret": {
			"postgres://curfew_alice:pass@/my%20db?host=%2Frun%2Fpostgresql&port=5432", "/run/postgresql", "5432", ""},
	} {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		c := credential(config, "my db", "curfew_alice", "pass")
		if c.URI != want.uri || c.Env["PGHOST"] != want.host || c.Env["PGPORT"] != want.port || c.Env["PGSSLMODE"] != want.mode {
			t.Errorf("%s becomes %+v, want %+v", dsn, c, want)
		}
		if c.Env["PGDATABASE"] != "my db" || c.Env["PGUSER"] != "curfew_alice" || c.Env["PGPASSWORD"] != "pass" {
			t.Errorf("%s: %+v", dsn, c.Env)
		}
		back, err := pgx.ParseConfig(c.URI)
		if err != nil || back.Database != "my db" || back.Host != config.Host || back.Port != config.Port {
			t.Errorf("%s is read back as %v, %v", c.URI, back, err)
		}
	}
}
