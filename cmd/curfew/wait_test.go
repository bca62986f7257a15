package main

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/api/client"
)

func TestReviewsText(t *testing.T) {
	leads := client.Stage{From: []string{"group:leads"}, Count: 2}
	falling := leads
	falling.Fallback = client.Fallback{From: []string{"group:heads", "principal:carol"}, At: time.Now().Add(49 * time.Hour)}
	for want, stages := range map[string][]client.Stage{
		"a review":                 nil,
		"2 reviews by group:leads": {leads},
		"2 reviews by group:leads (in 2d0h also by group:heads or principal:carol)": {falling},
	} {
		if got := reviewsText(stages); !strings.HasPrefix(got, want) || len(got) != len(want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
