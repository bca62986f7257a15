package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

// verify holds the log of an installation that is stopped against checkpoints, with its key file or without.
func (in *installation) verify(withKey bool, checkpoints ...string) auditor.Report {
	in.Helper()
	c := in.config()
	var key config.Key
	if withKey {
		key = c.Server.Key
	}
	var kept []audit.Kept
	for _, text := range checkpoints {
		kept = append(kept, audit.Kept{Name: "kept", Text: []byte(text)})
	}
	r, err := server.VerifyAudit(in.Context(), c.Store, key, auditor.Options{Checkpoints: kept})
	if err != nil {
		in.Fatal(err)
	}
	return r
}

// checkpoint waits until the tree has what is logged by now, and returns its checkpoint.
func (in *installation) checkpoint() (text string, size int64) {
	in.Helper()
	head, err := in.server.Engine().CheckpointOfAll(in.Context())
	if err != nil {
		in.Fatal(err)
	}
	return string(head.Checkpoint), head.Size
}

// tampering is what somebody does who can write to the store, and has nothing else.
type tampering struct {
	what string
	// do are statements for entry 3 of a log of %[1]d.
	do []string
	// at is the first entry that must be named; one behind the end of the log that is left when negative, and that of the
	// approval when 0.
	at int64
}

func tamperings() []tampering {
	free := []string{
		`DROP TRIGGER events_unchanged`, `DROP TRIGGER events_kept`,
	}
	with := func(texts ...string) []string { return append(append([]string{}, free...), texts...) }
	return []tampering{
		{"a byte of an entry", with(`UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), '"kind":"', '"kind":"x') AS BLOB) WHERE position = 3`), 3},
		{"the kind by which it is found", with(`UPDATE events SET kind = 'grant.active' WHERE position = 3`), 3},
		{"the moment by which it is found", with(`UPDATE events SET at = at + 1 WHERE position = 3`), 3},
		{"whose access it is", with(`UPDATE event_personal SET value = 'static/mallory' WHERE field = 'subject' AND event_id = (SELECT id FROM events WHERE kind = 'request.approved' LIMIT 1)`), 0},
		{"the salt of that", with(`UPDATE event_personal SET salt = zeroblob(32) WHERE field = 'subject' AND event_id = (SELECT id FROM events WHERE kind = 'request.approved' LIMIT 1)`), 0},
		{"two entries change places", with(`UPDATE events SET position = 1000000 WHERE position = 3`, `UPDATE events SET position = 3 WHERE position = 4`,
			`UPDATE events SET position = 4 WHERE position = 1000000`), 3},
		{"an entry is taken out", with(`DELETE FROM event_personal WHERE event_id = (SELECT id FROM events WHERE position = 3)`, `DELETE FROM events WHERE position = 3`), 3},
		{"the end is cut off, with the head", with(`DELETE FROM event_personal WHERE event_id IN (SELECT id FROM events WHERE position > %[1]d - 2)`,
			`DELETE FROM events WHERE position > %[1]d - 2`, `DELETE FROM log_tiles`, `DELETE FROM log_heads`), -1},
		{"the whole log goes", with(`DELETE FROM event_personal`, `DELETE FROM events`, `DELETE FROM log_tiles`, `DELETE FROM log_heads`), 1},
		{"a hash of the tree", []string{`UPDATE log_tiles SET hashes = CAST(zeroblob(64) || substr(hashes, 65) AS BLOB) WHERE level = 0 AND number = 0`}, 1},
	}
}

// TestVerifyNamesTheEntry does everything to a store that who can write to it can do, one after the other.
func TestVerifyNamesTheEntry(t *testing.T) {
	pg := target(t, 15)
	for _, tamper := range tamperings() {
		t.Run(tamper.what, func(t *testing.T) {
			in := newInstallation(t, pg, "sqlite")
			in.start()
			in.ask("alice-1", "read")
			in.ask("alice-1", "write")
			var approvals api.EventList
			if _, body := in.call("carol-1", "GET", "/v1/events?kind=request.approved", ""); json.Unmarshal([]byte(body), &approvals) != nil || len(approvals.Items) == 0 {
				t.Fatal(body)
			}
			approved := approvals.Items[0].Position
			kept, size := in.checkpoint()
			in.stop()
			if r := in.verify(true, kept); len(r.Problems) > 0 || len(r.Checkpoints) != 2 || r.Checkpoints[1].Signed != "yes" {
				t.Fatalf("before anything is done: %+v", r)
			}
			last := in.verify(false).Entries
			for _, text := range tamper.do {
				if strings.Contains(text, "%[1]d") {
					text = fmt.Sprintf(text, last)
				}
				in.beside(text)
			}
			want := tamper.at
			switch {
			case want < 0:
				want = last - 1
			case want == 0:
				want = approved
			}
			for _, withKey := range []bool{true, false} {
				r := in.verify(withKey, kept)
				if len(r.Problems) == 0 || r.Problems[0].From != want {
					t.Errorf("with the key file (%t), of %d entries and a checkpoint of %d, number %d is not named first: %+v", withKey, last, size, want, r.Problems)
				}
			}
		})
	}
}

// Who changes an entry and makes the tree anew has no key to sign it with, so that the verification with the key file
// finds it even without a checkpoint from elsewhere.
func TestVerifyWithoutACheckpointFromElsewhere(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	in.start()
	in.ask("alice-1", "read")
	in.checkpoint()
	in.stop()
	in.beside(`UPDATE log_heads SET checkpoint = CAST('curfew/x/default' || char(10) || '1' || char(10) || 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' || char(10) || char(10) || '— curfew/x/default AAAAAAAA' || char(10) AS BLOB)`)
	if r := in.verify(true); len(r.Problems) == 0 {
		t.Error("a checkpoint that nobody signed is believed")
	}
}

// TestVerifyBesideAServer reads a log that grows, on both stores.
func TestVerifyBesideAServer(t *testing.T) {
	pg := target(t, 15)
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			in := newInstallation(t, pg, kind)
			in.start()
			in.ask("alice-1", "read")
			kept, _ := in.checkpoint()
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						in.call("alice-1", "POST", "/v1/requests", `{"entitlements":["db/orders:write"],"duration":"1h","reason":"look"}`)
					}
				}
			}()
			for range 10 {
				if r := in.verify(true, kept); len(r.Problems) > 0 || r.Entries == 0 {
					t.Errorf("%+v", r)
				}
			}
			close(stop)
			<-done
		})
	}
}

// TestVerifyAfterARestore restores a store that is behind a checkpoint which somebody kept: the end that is lost is missing
// for ever, and the verification says so.
func TestVerifyAfterARestore(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	in.start()
	in.ask("alice-1", "read")
	early, _ := in.checkpoint()
	backup := in.backup("backup")
	in.ask("alice-1", "write")
	late, size := in.checkpoint()
	in.stop()
	in.lose()
	if err := server.Restore(t.Context(), in.config(), backup, io.Discard); err != nil {
		t.Fatal(err)
	}
	if r := in.verify(true, early); len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
	r := in.verify(true, early, late)
	if len(r.Problems) != 1 || r.Problems[0].To != size || !strings.Contains(r.Problems[0].What, "missing") {
		t.Errorf("%+v", r)
	}
}
