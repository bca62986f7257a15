package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryFormIsFound hides a secret in each form that a leak could have, wherever in a text it begins, and finds it.
func TestEveryFormIsFound(t *testing.T) {
	for kind, value := range map[string]string{
		"chosen": newValue(), "random": "zW4kTq9uJmH2xL7cVb3n", "token": "eyJhbGciOi.J9eyJpc3MiOiJrdWJlcm5ldGVz.MTIzNDU2Nzg5MDEy",
		"binary": "\x00\x01\x02\xfe\xff\x80key\x00\x99\xaa\xbb\xcc\xdd\xee\x11",
	} {
		inJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string]string{
			"as it is": value, "in hex": hex.EncodeToString([]byte(value)), "in capital hex": strings.ToUpper(hex.EncodeToString([]byte(value))),
			"in quotes of Go": strconv.Quote(value), "in a query": url.QueryEscape(value), "in a path": url.PathEscape(value),
			"in SQL": strings.ReplaceAll(value, "'", "''"), "in JSON": string(inJSON), "in Go's %x": fmt.Sprintf("%x", value),
		}
		for before := range 4 {
			text := strings.Repeat("u", before) + value + "ttttt"
			forms[fmt.Sprint("in base64 behind ", before)] = base64.StdEncoding.EncodeToString([]byte(text))
			forms[fmt.Sprint("in base64 of URLs behind ", before)] = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
		if kind == "binary" { // which is no text
			for _, name := range []string{"in JSON", "in quotes of Go", "in a query", "in a path"} {
				delete(forms, name)
			}
		}
		for name, hidden := range forms {
			w := newWatch()
			w.plant(t, kind, value)
			w.keep("the haystack", []byte("hay hay "+hidden+" hay"))
			if r, err := w.search(); err != nil || len(r.found) == 0 {
				t.Errorf("%s, %s: %s, %v", kind, name, r, err)
			}
		}
	}
}

// TestWhatIsMeantToBeThereIsNotFound: nothing else is overlooked with it.
func TestWhatIsMeantToBeThereIsNotFound(t *testing.T) {
	w := newWatch()
	one, other := w.choose(t, "one"), w.choose(t, "other")
	w.keep("its place", []byte(one), "one")
	w.keep("hay", []byte("hay, and "+rest(one)))
	if r, err := w.search(); err != nil || len(r.found) != 0 || r.places != 2 {
		t.Errorf("%s: %v, %v", r, r.found, err)
	}
	w.keep("its place too", []byte(one+other), "one")
	r, err := w.search()
	if err != nil || !slices.Equal(r.found, []finding{{"its place too", "other", "as it is"}}) {
		t.Errorf("%s: %v, %v", r, r.found, err)
	}
	for _, f := range r.found {
		if strings.Contains(f.String(), other[:shortest]) {
			t.Errorf("the report repeats the secret: %s", f)
		}
	}
}

// TestWhatIsHandedOutIsFoundElsewhere: in the one answer it may be, and not in another, nor anywhere else.
func TestWhatIsHandedOutIsFoundElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		often bool
		says  func(secret string) string
		other string
		found int
	}{
		"handed out once":            {false, func(s string) string { return "token: " + s }, "", 0},
		"handed out twice":           {false, func(s string) string { return s + " and " + s }, "", 1},
		"on every page of a browser": {true, func(s string) string { return s + " and " + s }, "", 0},
		"handed out, and logged":     {false, func(s string) string { return s }, "the log", 1},
	} {
		w := newWatch()
		token := w.plant(t, "a token", "cft_zW4kTq9uJmH2xL7cVb3n")
		w.allow(answers, "a token", c.often)
		w.keep(answers, []byte(c.says(token)))
		if c.other != "" {
			w.keep(c.other, []byte(token))
		}
		if r, err := w.search(); err != nil || len(r.found) != c.found {
			t.Errorf("%s: %s, %v, %v", name, r, r.found, err)
		}
	}
}

// rest is too little of a secret to be one.
func rest(value string) string { return value[:shortest-1] }
