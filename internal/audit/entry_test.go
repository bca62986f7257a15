package audit_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

func example() access.Event {
	return access.Event{
		ID: "ev_1", Tenant: "default", At: time.UnixMicro(1_700_000_000_000_001).UTC(), Kind: access.EventRequestSubmitted,
		Actor:   access.PrincipalID{Issuer: "static", Subject: "alice"},
		Subject: access.PrincipalID{Issuer: "static", Subject: "alice"},
		Request: "req_1", Entitlement: "orders-db/orders:read", To: "pending",
		Detail:   map[string]string{"duration": "2m0s", "b": "<&>\u2028", "a": "é"},
		Personal: map[string]string{"reason": "look at order 17"},
	}
}

// The bytes are fixed for ever: a change of this test is a change of the format, which needs a new version.
func TestLeafBytes(t *testing.T) {
	got, err := audit.NewEntry(example(), bytes.NewReader(make([]byte, 1024)))
	if err != nil {
		t.Fatal(err)
	}
	// The commitments were computed apart from this code, from their definition, with salts of zeros.
	want := `{"at":1700000000000001,"commitments":{"actor":"vvXA7CXGv42Uq05ozBlOfcuF30eSgIaUr_5ilnmHbqM","reason":"F1hhHcE-2klOoeAG0ljgkq83AbMIgCmAAxbw1qbaYQM","subject":"Fh2-03AvYU7gnNj5F_TPu1T3x4HnKH6vdFIP9GOPnxs"},` +
		`"detail":{"a":"é","b":"<&>` + "\u2028" + `","duration":"2m0s"},"entitlement":"orders-db/orders:read","id":"ev_1",` +
		`"kind":"request.submitted","request":"req_1","tenant":"default","to":"pending","v":1}`
	if diff := cmp.Diff(want, string(got.Leaf)); diff != "" {
		t.Error(diff)
	}
}

// An agent's entries name the human for whom it acts, as a commitment like the agent's own name; others' bytes stay what they were.
func TestEntryOfAnAgentCommitsToItsHuman(t *testing.T) {
	ev := example()
	ev.ActsFor = access.PrincipalID{Issuer: "static", Subject: "the-human"}
	e, err := audit.NewEntry(ev, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(e.Leaf), "the-human") || !strings.Contains(string(e.Leaf), `"acts_for":"`) {
		t.Errorf("the leaf is %s", e.Leaf)
	}
	opened, err := audit.Open(e.Leaf, e.Personal)
	if err != nil || opened.ActsFor != ev.ActsFor || len(opened.Personal) != len(ev.Personal) {
		t.Errorf("opened as %+v, %v", opened, err)
	}
	without := slices.DeleteFunc(slices.Clone(e.Personal), func(p audit.Personal) bool { return p.Field == audit.FieldActsFor })
	opened, erased, err := audit.OpenWithErased(e.Leaf, without)
	if err != nil || !opened.ActsFor.IsZero() || !slices.Equal(erased, []string{audit.FieldActsFor}) {
		t.Errorf("erased it opens as %+v, with %v erased, %v", opened, erased, err)
	}
	ev.Personal[audit.FieldActsFor] = "x"
	if _, err := audit.NewEntry(ev, rand.Reader); err == nil {
		t.Error("the name of the field is not reserved")
	}
}

func TestLeafHoldsNoPersonalData(t *testing.T) {
	e, err := audit.NewEntry(example(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"alice", "order 17"} {
		if strings.Contains(string(e.Leaf), word) {
			t.Errorf("the leaf holds %q: %s", word, e.Leaf)
		}
	}
}

func TestOpenProvesAndErasureKeepsTheLeaf(t *testing.T) {
	e, err := audit.NewEntry(example(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.Open(e.Leaf, e.Personal)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Error(diff)
	}
	erased, err := audit.Open(e.Leaf, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !erased.Actor.IsZero() || erased.Personal != nil || erased.Kind != access.EventRequestSubmitted {
		t.Errorf("erased: %+v", erased)
	}
	for i := range e.Personal {
		forged := append([]audit.Personal(nil), e.Personal...)
		forged[i].Value += "x"
		if _, err := audit.Open(e.Leaf, forged); err == nil {
			t.Errorf("a forged %s was accepted", forged[i].Field)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	text := rapid.StringOf(rapid.RuneFrom([]rune("aé<&>\"\\\u2028\u202e\n\t\x00 😀")))
	rapid.Check(t, func(t *rapid.T) {
		in := example()
		in.Detail = rapid.MapOfN(text, text, 1, 5).Draw(t, "detail")
		in.Personal = map[string]string{"reason": text.Draw(t, "reason") + "x"}
		e, err := audit.NewEntry(in, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		out, err := audit.Open(e.Leaf, e.Personal)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRefused(t *testing.T) {
	long, invalid, reserved := example(), example(), example()
	long.Detail = map[string]string{"x": strings.Repeat("x", audit.MaxLeaf)}
	invalid.Detail = map[string]string{"x": "\xff"}
	reserved.Personal = map[string]string{audit.FieldActor: "mallory"}
	for name, e := range map[string]access.Event{"long": long, "not UTF-8": invalid, "reserved": reserved} {
		if _, err := audit.NewEntry(e, rand.Reader); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := audit.NewEntry(example(), bytes.NewReader(nil)); err == nil {
		t.Error("no randomness: accepted")
	}
}
