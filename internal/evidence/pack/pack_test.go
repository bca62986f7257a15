package pack_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/evidence"
	"github.com/curfewhq/curfew/internal/evidence/pack"
)

var (
	alice = access.PrincipalID{Issuer: "static", Subject: "alice"}
	bob   = access.PrincipalID{Issuer: "static", Subject: "bob"}
	noon  = time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
)

// log is a log that a test writes.
type log struct {
	testing.TB
	key     ed25519.PrivateKey
	entries []audit.ExportEntry
	tree    audit.Range
}

func newLog(t testing.TB) *log {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &log{TB: t, key: key}
}

const origin = "curfew/i1/default"

// add enters an event at a time after noon. forget leaves its personal values out.
func (l *log) add(after time.Duration, ev access.Event, forget bool) {
	l.Helper()
	n := int64(len(l.entries) + 1)
	ev.ID, ev.Tenant, ev.At = access.EventID(fmt.Sprintf("ev_%d", n)), "default", noon.Add(after)
	entry, err := audit.NewEntry(ev, rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	line := audit.ExportEntry{Position: n, Hash: audit.HashLeaf(entry.Leaf), Leaf: entry.Leaf}
	for _, p := range entry.Personal {
		if !forget {
			line.Personal = append(line.Personal, audit.ExportPersonal(p))
		}
	}
	l.tree.Add(line.Hash)
	l.entries = append(l.entries, line)
}

func (l *log) publicKey() string {
	l.Helper()
	key, err := audit.VerifierKey(origin, l.key.Public().(ed25519.PublicKey))
	if err != nil {
		l.Fatal(err)
	}
	return key
}

// folder writes the export of the log into a folder.
func (l *log) folder() string {
	l.Helper()
	signed, err := audit.SignCheckpoint(audit.Checkpoint{Origin: origin, Tree: l.tree.Tree()}, l.key)
	if err != nil {
		l.Fatal(err)
	}
	var b bytes.Buffer
	out := audit.NewExportEncoder(&b)
	lines := []any{audit.ExportHeader{
		Version: audit.ExportVersion, Origin: origin, Key: l.publicKey(), Checkpoint: string(signed), From: 1, To: int64(len(l.entries)),
	}}
	for _, e := range l.entries {
		lines = append(lines, e)
	}
	for _, line := range append(lines, audit.ExportEnd{End: true, Entries: int64(len(l.entries))}) {
		if err := out.Encode(line); err != nil {
			l.Fatal(err)
		}
	}
	folder := l.TempDir()
	if err := os.WriteFile(filepath.Join(folder, pack.LogFile), b.Bytes(), 0o600); err != nil {
		l.Fatal(err)
	}
	return folder
}

// life is a request with a review and its grant, which ends so long after its deadline; never, when negative.
func (l *log) life(id string, begins, late time.Duration, reason access.EndReason) {
	request, grant := access.RequestID("req_"+id), access.GrantID("gr_"+id)
	deadline := noon.Add(begins + time.Hour)
	of := func(kind access.EventKind, ev access.Event) access.Event {
		ev.Kind, ev.Request, ev.Subject = kind, request, alice
		if strings.HasPrefix(string(kind), "grant.") || strings.HasPrefix(string(kind), "credential.") {
			ev.Grant, ev.Entitlement = grant, "orders-db/orders:write"
		}
		return ev
	}
	l.add(begins, of(access.EventRequestSubmitted, access.Event{
		Actor: alice, To: "pending", Detail: map[string]string{"duration": "1h0m0s", "entitlements": "orders-db/orders:write", "verdict": "review", "ticket": "OPS-7"},
		Personal: map[string]string{"reason": "=order " + id},
	}), false)
	l.add(begins, of(access.EventRequestReviewed, access.Event{Actor: bob, Detail: map[string]string{"verdict": "approve"}, Personal: map[string]string{"comment": "yes"}}), false)
	l.add(begins, of(access.EventRequestApproved, access.Event{Actor: bob, From: "pending", To: "approved"}), false)
	l.add(begins, of(access.EventGrantActivating, access.Event{To: "activating", Detail: map[string]string{"deadline": deadline.Format(time.RFC3339Nano), "policy": "write"}}), false)
	l.add(begins, of(access.EventGrantActive, access.Event{To: "active"}), false)
	l.add(begins, of(access.EventCredentialIssued, access.Event{}), false)
	if late >= 0 {
		l.add(begins+time.Hour, of(access.EventGrantRevoking, access.Event{To: "revoking", Detail: map[string]string{"reason": string(reason)}}), false)
		l.add(begins+time.Hour+late, of(access.EventGrantEnded, access.Event{To: "ended", Detail: map[string]string{"reason": string(reason), "verified_at": noon.Add(begins + time.Hour + late).Format(time.RFC3339Nano), "verified_by": "the observer", "sessions_ended": "2"}}), false)
	}
}

func november() pack.Order {
	return pack.Order{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
}

func write(t *testing.T, l *log, o pack.Order) (string, pack.Pack) {
	t.Helper()
	folder := l.folder()
	p, err := pack.Write(folder, []string{l.publicKey()}, o)
	if err != nil {
		t.Fatal(err)
	}
	return folder, p
}

// TestPackTellsALife reads a whole life out of the tables.
func TestPackTellsALife(t *testing.T) {
	l := newLog(t)
	l.life("1", 0, 20*time.Millisecond, access.EndExpired)
	folder, p := write(t, l, november())
	if len(p.Grants) != 1 || len(p.Requests) != 1 || len(p.Exceptions) != 0 {
		t.Fatalf("%+v", p)
	}
	want := pack.Grant{
		ID: "gr_1", Request: "req_1", Who: "static/alice", Entitlement: "orders-db/orders:write", Policy: "write", Activated: noon,
		Deadline: noon.Add(time.Hour), Ended: noon.Add(time.Hour + 20*time.Millisecond), EndReason: "expired", Verified: noon.Add(time.Hour + 20*time.Millisecond), VerifiedBy: "the observer",
		SessionsEnded: 2, Fetches: 1, Positions: []int64{4, 5, 6, 7, 8},
	}
	if diff := cmp.Diff(want, p.Grants[0]); diff != "" {
		t.Error(diff)
	}
	for name, words := range map[string][]string{
		"grants.csv":   {"static/alice", "'=order 1 [OPS-7]", "static/bob, as the policy write asks", "2026-11-10 13:00:00.020", "20ms", "the observer", "4 5 6 7 8"},
		"requests.csv": {"approve by static/bob (yes)", "1 2 3"},
		"report.html":  {"Access through Curfew, 2026-11-01 to 2026-12-01", "=order 1 [OPS-7]", "There are none: everything ended", `aria-label="Grants that began, by day: 2026-11-10: 1"`},
		"report.pdf":   {"%PDF-1."},
		"README.txt":   {"curfew evidence verify DIR"},
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			if !strings.Contains(string(text), word) {
				t.Errorf("%s lacks %q", name, word)
			}
		}
	}
}

// TestPackMarksAgents has an agent ask, give back, and be taken out of the log again.
func TestPackMarksAgents(t *testing.T) {
	for _, forget := range []bool{false, true} {
		l := newLog(t)
		bot := access.PrincipalID{Issuer: "static", Subject: "bot"}
		for _, ev := range []access.Event{
			{Kind: access.EventRequestSubmitted, Actor: bot, To: "pending"},
			{Kind: access.EventRequestReviewed, Actor: bob, Detail: map[string]string{"verdict": "approve"}},
			{Kind: access.EventGrantActive, Grant: "gr_1", Entitlement: "orders-db/orders:read", To: "active"},
			{Kind: access.EventGrantRevoking, Actor: bot, Grant: "gr_1", Entitlement: "orders-db/orders:read", To: "revoking"},
		} {
			ev.Request, ev.Subject, ev.ActsFor = "req_1", bot, alice
			l.add(0, ev, forget)
		}
		_, p := write(t, l, november())
		who, by := "agent static/bot for static/alice", "static/bob"
		if forget {
			who, by = "agent (erased) for (erased)", "(erased)"
		}
		if g, r := p.Grants[0], p.Requests[0]; g.Who != who || g.EndedBy != who && !forget || r.By != who || r.Reviews[0].By != by {
			t.Errorf("told is %q, ended by %q, asked by %q, reviewed by %q", g.Who, g.EndedBy, r.By, r.Reviews[0].By)
		}
	}
}

// TestPackFindsExceptions has one of each kind.
func TestPackFindsExceptions(t *testing.T) {
	l := newLog(t)
	l.life("late", 0, 3*time.Minute, access.EndExpired)
	l.life("gone", time.Hour, 0, access.EndRemovedAtTarget)
	l.life("overdue", 2*time.Hour, -1, "")
	l.life("attested", 3*time.Hour, -1, "")
	attested := access.Event{Kind: access.EventGrantAttested, Actor: bob, Request: "req_attested", Grant: "gr_attested", Subject: alice, Entitlement: "orders-db/orders:write"}
	l.add(5*time.Hour, attested, false)
	attested.Kind, attested.To = access.EventGrantEnded, "ended"
	attested.Detail = map[string]string{"reason": string(access.EndAttested), "residual_until": noon.Add(6 * time.Hour).Format(time.RFC3339Nano)}
	l.add(5*time.Hour, attested, false)
	l.add(6*time.Hour, access.Event{Kind: access.EventFindingOpened, Detail: map[string]string{"note": "a role that nobody knows"}}, false)
	l.add(7*time.Hour, access.Event{Kind: access.EventFreezeBegun, Actor: bob, Personal: map[string]string{"reason": "an incident"}}, false)
	l.add(8*time.Hour, access.Event{Kind: access.EventStoreRestored, Detail: map[string]string{"kept_position": "7"}}, false)
	_, p := write(t, l, november())
	var kinds []string
	for _, x := range p.Exceptions {
		kinds = append(kinds, x.Kind)
	}
	slices.Sort(kinds)
	if diff := cmp.Diff([]string{"attested", "finding", "freeze", "late", "late", "overdue", "removed at the target", "residual", "restore"}, kinds); diff != "" {
		t.Errorf("%s\n%+v", diff, p.Exceptions)
	}
}

// TestPackOfAPeriod leaves out what lay before and behind, and keeps what was live at either end.
func TestPackOfAPeriod(t *testing.T) {
	l := newLog(t)
	l.life("before", 0, 0, access.EndExpired)
	l.life("across", 2*time.Hour, 0, access.EndExpired)
	l.life("within", 4*time.Hour, 0, access.EndExpired)
	l.life("behind", 8*time.Hour, 0, access.EndExpired)
	_, p := write(t, l, pack.Order{From: noon.Add(150 * time.Minute), To: noon.Add(6 * time.Hour)})
	var ids []string
	for _, g := range p.Grants {
		ids = append(ids, g.ID)
	}
	if diff := cmp.Diff([]string{"gr_across", "gr_within"}, ids); diff != "" || len(p.Requests) != 2 {
		t.Errorf("%s\n%+v", diff, p.Requests)
	}
}

// TestPackAfterForgetting shows that names were there once.
func TestPackAfterForgetting(t *testing.T) {
	l := newLog(t)
	l.add(0, access.Event{
		Kind: access.EventRequestSubmitted, Actor: alice, Subject: alice, Request: "req_1", To: "pending",
		Detail: map[string]string{"entitlements": "a/b:c"}, Personal: map[string]string{"reason": "something private"},
	}, true)
	_, p := write(t, l, november())
	if p.Erased != 3 || p.Requests[0].By != "(erased)" || p.Requests[0].Reason != "(erased)" {
		t.Errorf("%d values erased: %+v", p.Erased, p.Requests)
	}
}

// TestVerifyPack is the auditor's: a folder, a key, and neither a server nor a store.
func TestVerifyPack(t *testing.T) {
	l := newLog(t)
	l.life("1", 0, 0, access.EndExpired)
	folder, _ := write(t, l, november())
	verify := func() (wrong []string, err error) {
		_, wrong, err = pack.Verify(folder, []string{l.publicKey()}, nil)
		return wrong, err
	}
	if wrong, err := verify(); len(wrong) > 0 || err != nil {
		t.Fatalf("as it was made: %v, %v", wrong, err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 14 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name())
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(whole) / 3, len(whole) / 2, len(whole) - 2} {
			changed := bytes.Clone(whole)
			changed[at] ^= 1
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if wrong, err := verify(); len(wrong) == 0 && err == nil {
				t.Errorf("byte %d of %s may be another", at, f.Name())
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "more.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if wrong, err := verify(); err != nil || len(wrong) != 1 || !strings.HasPrefix(wrong[0], "more.csv") {
		t.Errorf("a file that does not belong: %v, %v", wrong, err)
	}
	if _, _, err := pack.Verify(folder, []string{newLog(t).publicKey()}, nil); err == nil {
		t.Error("another log's key is as good")
	}
}

// TestPackOfAnOldHead is one by somebody who would rather not show what came last: it is signed, and of before that. Who has
// kept a checkpoint of after it is not taken in.
func TestPackOfAnOldHead(t *testing.T) {
	l := newLog(t)
	l.life("1", 0, 0, access.EndExpired)
	folder, _ := write(t, l, november())
	checkpoint := func() []audit.Checkpoint { return []audit.Checkpoint{{Origin: origin, Tree: l.tree.Tree()}} }
	then := checkpoint()
	l.life("2", 2*time.Hour, 0, access.EndExpired)
	for name, kept := range map[string][]audit.Checkpoint{"none": nil, "one of then": then} {
		if _, wrong, err := pack.Verify(folder, nil, kept); len(wrong) > 0 || err != nil {
			t.Errorf("with %s: %v, %v", name, wrong, err)
		}
	}
	if _, _, err := pack.Verify(folder, nil, append(then, checkpoint()...)); err == nil || !strings.Contains(err.Error(), "ends after 8 entries, and your checkpoint has 16") {
		t.Errorf("with one of later: %v", err)
	}
}

// A pack of nothing is made again byte by byte as well, at another moment.
func TestEmptyPack(t *testing.T) {
	l := newLog(t)
	l.life("1", 0, 0, access.EndExpired)
	l.entries, l.tree = nil, audit.Range{}
	synctest.Test(t, func(t *testing.T) {
		folder, _ := write(t, l, november())
		time.Sleep(time.Hour)
		if _, wrong, err := pack.Verify(folder, []string{l.publicKey()}, nil); len(wrong) > 0 || err != nil {
			t.Errorf("%v, %v", wrong, err)
		}
	})
}

func TestOrder(t *testing.T) {
	good := november()
	good.Controls = []evidence.ID{evidence.Controls()[0].ID}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	l := newLog(t)
	l.life("1", 0, 0, access.EndExpired)
	if _, p := write(t, l, good); len(p.Controls) != 1 {
		t.Errorf("%d controls", len(p.Controls))
	}
	for name, o := range map[string]pack.Order{
		"no period": {}, "backwards": {From: good.To, To: good.From}, "an unknown control": {From: good.From, To: good.To, Controls: []evidence.ID{"soc9"}},
	} {
		if o.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
