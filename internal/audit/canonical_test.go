package audit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
)

// TestCanonicalIsRFC8785 compares with a general implementation of the standard, on whatever a leaf can hold.
func TestCanonicalIsRFC8785(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\x00-\x1f"\\/<>&\x7f\x{2028}\x{e000}-\x{ffef}\x{10000}-\x{10ffff}]{0,6}`))
	texts := rapid.MapOfN(text, text, 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		l := leaf{
			Version: 1, ID: access.EventID(text.Draw(t, "id")), Tenant: access.TenantID(text.Draw(t, "tenant")),
			At: rapid.Int64Range(-maxNumber, maxNumber).Draw(t, "at"), Kind: access.EventKind(text.Draw(t, "kind")),
			Request: access.RequestID(text.Draw(t, "request")), Grant: access.GrantID(text.Draw(t, "grant")),
			Entitlement: text.Draw(t, "entitlement"), From: text.Draw(t, "from"), To: text.Draw(t, "to"),
			Detail: texts.Draw(t, "detail"), Commitments: texts.Draw(t, "commitments"),
		}
		plain, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := canonical(l); err != nil || string(got) != string(want) {
			t.Fatalf("%v\n got %q\nwant %q", err, got, want)
		}
	})
}

func TestCanonicalRefuses(t *testing.T) {
	for name, l := range map[string]leaf{
		"text that is not UTF-8":          {Detail: map[string]string{"a": "\xff"}},
		"a name that is not UTF-8":        {Detail: map[string]string{"\xff": "a"}},
		"an identifier that is not UTF-8": {ID: "\xff"},
		"a number that JSON would round":  {At: maxNumber + 1},
		"more than an entry may hold":     {To: strings.Repeat("a", MaxLeaf)},
	} {
		if got, err := canonical(l); err == nil {
			t.Errorf("%s: %.100q", name, got)
		}
	}
}
