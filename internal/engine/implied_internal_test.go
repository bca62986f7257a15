package engine

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

func TestImpliedOfManyTargetsIsBounded(t *testing.T) {
	third := access.Implied{Rights: []string{strings.Repeat("a", access.MaxImpliedBytes/3)}}
	targets := make([]policy.Target, access.MaxEntitlements)
	for i := range targets {
		targets[i].Implies = third
	}
	boundImplied(targets)
	for i, target := range targets {
		if whole := target.Implies.Incomplete == ""; whole != (i < 3) {
			t.Errorf("target %d: %d bytes, %q", i, target.Implies.Size(), target.Implies.Incomplete)
		}
	}
}
