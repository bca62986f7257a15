package main

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/api/client"
)

func TestGrantNote(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for want, g := range map[string]client.Grant{
		"for 30m": {State: client.GrantStateScheduled, Duration: "30m0s"},
		"for 30m: The target does not answer": {
			State: client.GrantStateActivating, Duration: "30m0s", LastError: "The target does not answer",
		},
		"ends in 1m0s":              {State: client.GrantStateActive, Deadline: now.Add(time.Minute)},
		"revoked; being taken back": {State: client.GrantStateRevoking, EndReason: "revoked", Deadline: now.Add(time.Minute)},
		"failed; being taken back":  {State: client.GrantStateRevoking, EndReason: "failed"},
		"expired; overdue by 5s: The target does not answer": {
			State: client.GrantStateRevoking, EndReason: "expired", Deadline: now.Add(-5 * time.Second), LastError: "The target does not answer",
		},
		"returned; what was issued stops working in 10m0s": {
			State: client.GrantStateRevoking, EndReason: "returned", ResidualUntil: now.Add(10 * time.Minute),
		},
		"expired; read back as gone at 2030-01-01T11:59:59Z": {
			State: client.GrantStateEnded, EndReason: "expired", VerifiedAt: now.Add(-time.Second),
		},
		// A grant that never reached its target was not read back.
		"withdrawn": {State: client.GrantStateEnded, EndReason: "withdrawn"},
	} {
		if got := grantNote(g, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
