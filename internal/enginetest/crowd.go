package enginetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
)

// WithCrowd has the company employ n more engineers.
func WithCrowd(n int) Option { return func(s *settings) { s.crowd = n } }

// Engineer is the name of one of the crowd, from 0 on.
func Engineer(i int) string { return fmt.Sprintf("engineer-%04d", i) }

func crowd(n int) []directory.Entry {
	all := make([]directory.Entry, n)
	for i := range all {
		name := Engineer(i)
		all[i] = directory.Entry{Token: name + "-token", Principal: access.Principal{
			ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}, Kind: access.Human, Person: access.PersonID(name),
			Groups: []string{access.StaticIssuer + "/engineering"},
		}}
	}
	return all
}

// EndCrowd is EndTogether for rights that grants of one person share: each of the crowd has one grant of Read.
func EndCrowd(t testing.TB, w *World, c *LeapClock) []time.Duration {
	t.Helper()
	grants := make([]access.GrantID, w.settings.crowd)
	for i := range grants {
		grants[i] = w.Obtain(t, w.Engine, Engineer(i), Read).ID
	}
	two := w.Node()
	c.leap(2 * time.Hour)
	past := c.Now()
	w.RunNode(w.Engine)
	w.RunNode(two)
	w.awaitEnded(t, len(grants))
	late := make([]time.Duration, len(grants))
	for i, id := range grants {
		g := w.Grant(t, id)
		WantEnd(t, g, access.EndExpired, "")
		late[i] = g.VerifiedAt.Sub(past)
	}
	slices.Sort(late)
	return late
}
