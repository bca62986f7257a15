package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"look at order 17":         "look at order 17",
		"Größe 東京 😀":               "Größe 東京 😀",
		"a\x1b[2Jb":                `a\x1b[2Jb`,
		"\x1b]0;owned\x07":         `\x1b]0;owned\a`,
		"a\u202egnp.exe":           `a\u202egnp.exe`,
		"two\nlines\r\tand tab":    `two\nlines\r\tand tab`,
		"\u009b31mC1":              `\u009b31mC1`,
		"zero\u200bwidth\ufeff":    `zero\u200bwidth\ufeff`,
		"line\u2028separator":      `line\u2028separator`,
		"\xff\xfe":                 `\xff\xfe`,
		"no-break\u00a0space":      `no-break\u00a0space`,
		"it's \"quoted\" \\ slash": "it's \"quoted\" \\ slash",
		"tag \U000e0041":           `tag \U000e0041`,
	} {
		if got := display(in); got != want {
			t.Errorf("display(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDisplay(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31m", "\u202e", "\xff", "'", "\\", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := display(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("display(%q) holds %U", s, r)
			}
		}
		if display(got) != got {
			t.Errorf("display changes its own output %q", got)
		}
	})
}

func TestEscapedJSONMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]string{"k": rapid.String().Draw(t, "text")}
		document, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		escaped := escapeJSON(document)
		if i := strings.IndexFunc(string(escaped), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("a harmful character at %d of %q", i, escaped)
		}
		var got map[string]string
		if err := json.Unmarshal(escaped, &got); err != nil || got["k"] != want["k"] {
			t.Fatalf("%q became %q, %v", want["k"], got["k"], err)
		}
	})
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"short", "short"}, {"exactly10!", "exactly10!"}, {"longer than", "longer th…"}, {"ääääääääääää", "äääääääää…"}} {
		if got := cut(c.in, 10); got != c.want {
			t.Errorf("cut(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestTimesAsPeopleSayThem(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "in 0s", 119*time.Second + 900*time.Millisecond: "in 1m59s", 90 * time.Minute: "in 1h30m", 50 * time.Hour: "in 2d2h",
		-3 * time.Minute: "3m0s ago", -72 * time.Hour: "3d0h ago",
	} {
		if got := until(now.Add(d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for in, want := range map[string]string{"4h0m0s": "4h", "1h30m0s": "1h30m", "2m0s": "2m", "90s": "1m30s", "1.5s": "1.5s", "": "", "10m0s": "10m", "1h0m5s": "1h0m5s", "soon": "soon"} {
		if got := shortText(in); got != want {
			t.Errorf("shortText(%q) = %q, want %q", in, got, want)
		}
	}
}
