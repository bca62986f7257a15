package nearmiss

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFind(t *testing.T) {
	many := strings.Repeat("x", maxWord)
	tests := []struct {
		name, word string
		candidates []string
		want       string
	}{
		{"one letter wrong", "ordes", []string{"users", "orders"}, "orders"},
		{"letter case", "Orders", []string{"orders"}, "orders"},
		{"two letters swapped", "odrers", []string{"orders"}, "orders"},
		{"nearest wins", "reaad", []string{"reader", "read"}, "read"},
		{"first of equals", "rat", []string{"cat", "bat"}, "cat"},
		{"two letters of four", "raed", []string{"write", "read"}, "read"},
		{"short words allow one", "ab", []string{"xy", "abc"}, "abc"},
		{"a short word wholly wrong", "ab", []string{"xy"}, ""},
		{"long words allow three", "payments-production", []string{"payments-prodabcion"}, "payments-prodabcion"},
		{"and not four", "payments-production", []string{"payments-prodabcdon"}, ""},
		{"characters, not bytes", "größe", []string{"grüße"}, "grüße"},
		{"not itself", "orders", []string{"orders"}, ""},
		{"nothing to choose from", "orders", nil, ""},
		{"empty word", "", []string{"a", "ab"}, "a"},
		{"empty candidate", "a", []string{""}, ""},
		{"too long a word", many + "x", []string{many}, ""},
		{"too long a candidate", many, []string{many + "x"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Find(tt.word, slices.Values(tt.candidates)); got != tt.want {
				t.Errorf("Find(%q, %q) = %q, want %q", tt.word, tt.candidates, got, tt.want)
			}
		})
	}
}

// levenshtein is the textbook's recursion, to compare with.
func levenshtein(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	if a[0] == b[0] {
		return levenshtein(a[1:], b[1:])
	}
	return 1 + min(levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:]))
}

func TestMeterAgreesWithTextbook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("abé")), 0, 7, -1)
		w, c := word.Draw(t, "word"), word.Draw(t, "candidate")
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		want := levenshtein([]rune(w), []rune(c))
		m := meter{word: []rune(w)}
		// within is only asked about candidates whose length is within the limit.
		if diff := len([]rune(w)) - len([]rune(c)); diff > limit || -diff > limit {
			return
		}
		got := m.within(c, limit)
		if got != (want <= limit) || (got && m.distance != want) {
			t.Fatalf("within(%q, %q, %d) = %v at %d, want distance %d", w, c, limit, got, m.distance, want)
		}
	})
}

func FuzzFind(f *testing.F) {
	f.Add("orders", "orders\nusers")
	f.Add("\xff", "\xfe\n\u202e")
	f.Fuzz(func(t *testing.T, word, lines string) {
		candidates := strings.Split(lines, "\n")
		if got := Find(word, slices.Values(candidates)); got != "" && (got == word || !slices.Contains(candidates, got)) {
			t.Errorf("Find(%q, %q) = %q", word, candidates, got)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	candidates := make([]string, 100_000)
	for i := range candidates {
		candidates[i] = strings.Repeat("customer-", 30) + string(rune('a'+i%26))
	}
	word := strings.Repeat("customer-", 30) + "XYZ"
	for b.Loop() {
		Find(word, slices.Values(candidates))
	}
}
