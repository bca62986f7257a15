package audit_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

func table(t *testing.T, records ...audit.Record) string {
	t.Helper()
	var b bytes.Buffer
	c, err := audit.NewCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := c.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCSV(t *testing.T) {
	want := "position,id,at,kind,actor,subject,request,grant,entitlement,from,to,detail,personal,acts_for\r\n" +
		`17,ev_1,2023-11-14T22:13:20.000001Z,request.submitted,static/alice,static/alice,req_1,,orders-db/orders:read,,pending,"{""a"":""é"",""b"":""\u003c\u0026\u003e\u2028"",""duration"":""2m0s""}","{""reason"":""look at order 17""}",` + "\r\n"
	if diff := cmp.Diff(want, table(t, audit.Record{Position: 17, Event: example()})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCSVIsHarmless writes what a spreadsheet would compute into every column that others write.
func TestCSVIsHarmless(t *testing.T) {
	for _, evil := range []string{`=1+1`, `+1`, `-1`, `@SUM(A1)`, "\t=1", "\r=1", "\n=1", `＝1`, `=HYPERLINK("https://x","y")`} {
		text := table(t, audit.Record{Position: 1, Event: access.Event{
			ID: access.EventID(evil), Kind: access.EventKind(evil), Request: access.RequestID(evil), Grant: access.GrantID(evil), Entitlement: evil,
			Actor: access.PrincipalID{Issuer: evil, Subject: evil}, Subject: access.PrincipalID{Issuer: evil, Subject: evil},
			From: evil, To: evil, Detail: map[string]string{evil: evil}, Personal: map[string]string{evil: evil},
		}})
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%q: %v\n%s", evil, err, text)
		}
		for i, cell := range rows[1] {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
				t.Errorf("%s is %q", rows[0][i], cell)
			}
		}
		if !strings.ContainsAny(evil, "\r\n") && rows[1][8] != "'"+evil { // the reader of tables takes line breaks for one another
			t.Errorf("the cell has become %q", rows[1][8])
		}
	}
}

func TestRecordOf(t *testing.T) {
	e, err := audit.NewEntry(example(), bytes.NewReader(make([]byte, 1024)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.RecordOf(17, e.Leaf, e.Personal)
	if diff := cmp.Diff(audit.Record{Position: 17, Event: example()}, r); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	text, err := r.MarshalJSON()
	if want := `{"position":17,"id":"ev_1","at":"2023-11-14T22:13:20.000001Z","kind":"request.submitted","actor":"static/alice","subject":"static/alice","request":"req_1","entitlement":"orders-db/orders:read","to":"pending","detail":{"a":"é","b":"\u003c\u0026\u003e\u2028","duration":"2m0s"},"personal":{"reason":"look at order 17"}}`; string(text) != want || err != nil {
		t.Errorf("%v: %s", err, text)
	}
	if strings.Contains(string(text), "salt") {
		t.Error("a salt is told")
	}
	e.Personal[0].Value = "static/mallory"
	if _, err := audit.RecordOf(17, e.Leaf, e.Personal); err == nil || !strings.Contains(err.Error(), "position 17") {
		t.Errorf("another actor is taken: %v", err)
	}
}
