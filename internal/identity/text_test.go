package identity

import "testing"

func TestShowable(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "Ada Lovelace": true, "Ærøskøbing 東京 👩‍🚀": true, "ada\n": false, "\x1b[2J": false, "Ada\u202e": false, "a\u2066b": false, "a\xffb": false, "a\u0085b": false,
	} {
		if got := Showable(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
