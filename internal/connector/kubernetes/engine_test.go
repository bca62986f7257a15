package kubernetes

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// together is how many grants end at once in TestEndTogether. 500 are for a look by hand.
var together = flag.Int("together", 60, "how many grants TestEndTogether ends at once")

// company has a cluster in the place of its database: the namespace orders.
func company(t *testing.T, c *cluster, options ...enginetest.Option) *enginetest.World {
	t.Helper()
	return enginetest.New(t, append(options, enginetest.WithTimeout(20*time.Second), enginetest.WithConnector(func() (connector.Type, connector.Driver) {
		return Type(), c.open(t)
	}))...)
}

// TestEndTogether lets many grants end at one moment, on two nodes. How late they are is for who reads the log.
func TestEndTogether(t *testing.T) {
	t.Parallel()
	c := start(t)
	before := c.snapshot(t)
	clock := &enginetest.LeapClock{}
	w := company(t, c, enginetest.WithClock(clock))
	late := enginetest.EndTogether(t, w, clock, *together, func(g access.Grant) {
		obtainCredential(t, w, g.ID) // without one, no account is made
	})
	items, _, err := w.Engine.Grants(t.Context(), w.Who(enginetest.Carol), engine.All, true, store.Page{Limit: 1000})
	if err != nil || len(items) != *together {
		t.Fatalf("there are %d grants: %v", len(items), err)
	}
	first := slices.MinFunc(items, func(a, b access.Grant) int { return a.VerifiedAt.Compare(b.VerifiedAt) })
	deadline := first.VerifiedAt.Add(-late[0])
	gone, refused := make([]time.Duration, len(items)), 0
	for i, g := range items {
		gone[i] = g.ResidualUntil.Sub(deadline) - residual
		if seenRefused(g) {
			refused++
		}
	}
	slices.Sort(gone)
	n := len(gone)
	t.Logf("%d grants on two nodes, tokens of %d seen to be refused: read back as gone %v, %v (p99) and %v (last) after their end, and ended %v, %v (p99) and %v (last) after it",
		n, refused, gone[n/2], gone[n*99/100], gone[n-1], late[n/2], late[n*99/100], late[n-1])
	if after := c.snapshot(t); after != before {
		t.Errorf("something is left:\n%s", after)
	}
}

// TestEndedMeansRefused has two looks at one server at once, because each takes as long as the server remembers a token.
func TestEndedMeansRefused(t *testing.T) {
	t.Parallel()
	c := start(t)
	t.Run("through the engine", func(t *testing.T) {
		t.Parallel()
		endedMeansRefused(t, c)
	})
	t.Run("read back by the driver", func(t *testing.T) {
		t.Parallel()
		refusalIsReadBack(t, c)
	})
}

// endedMeansRefused uses a token without a pause, so that the server has always just remembered that it was good. When the books
// say that the grant has ended, the server must refuse it: not only what it asks for, but the token. And the books say how that is
// known.
func endedMeansRefused(t *testing.T, c *cluster) {
	w := company(t, c)
	g := w.Obtain(t, w.Engine, enginetest.Alice, enginetest.Read)
	r := c.reader(entitlement("orders", "read"), obtainCredential(t, w, g.ID).Password)
	if err := r.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	using, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for using.Err() == nil {
			_ = r.Use(using)
		}
	}()
	w.Run()
	if _, err := w.Engine.Return(t.Context(), w.Who(enginetest.Alice), g.ID); err != nil {
		t.Fatal(err)
	}
	if status := c.review(t, r.token); status != http.StatusCreated && status != http.StatusUnauthorized {
		t.Errorf("a question about the token was answered with %d", status)
	}
	awaitEnded(t, w)
	if status := c.review(t, r.token); status != http.StatusUnauthorized {
		t.Errorf("the grant has ended, and the server answers its token with %d", status)
	}
	ended := w.Grant(t, g.ID)
	enginetest.WantEnd(t, ended, access.EndReturned, "")
	if !seenRefused(ended) {
		t.Errorf("it was verified by %q", ended.VerifiedBy)
	}
}

// seenRefused reports whether the books say of a grant that a token of its account was refused.
func seenRefused(g access.Grant) bool {
	return strings.Contains(g.VerifiedBy, "a token of the grant's ServiceAccount was refused at")
}

// review asks the server, with the token, whose it is: SelfSubjectReview.
func (c *cluster) review(t testing.TB, token string) int {
	t.Helper()
	status, _, err := c.as(t.Context(), token, http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// obtainCredential fetches a grant's credential and opens it, as its principal's program does.
func obtainCredential(t *testing.T, w *enginetest.World, id access.GrantID) (cred access.Credential) {
	t.Helper()
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	alice := w.Who(enginetest.Alice)
	sealed, err := w.Engine.Credential(t.Context(), alice, id, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(secret.Binding{Tenant: access.DefaultTenant, Grant: id, Principal: alice.ID, Attempt: sealed.Attempt}, sealed.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(plain, &cred); err != nil {
		t.Fatal(err)
	}
	return cred
}

// awaitEnded waits until a grant has ended.
func awaitEnded(t *testing.T, w *enginetest.World) {
	t.Helper()
	for after := int64(0); ; {
		page, err := w.Engine.WaitEvents(t.Context(), w.Who(enginetest.Carol), engine.LogQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			if e.Kind == access.EventGrantEnded {
				return
			}
		}
		after = page.Next
	}
}

// usersThroughTheEngine gives one user two grants of the same, on top of what an owner gave: each ends alone.
func usersThroughTheEngine(t *testing.T, c *cluster) {
	w := enginetest.New(t, enginetest.WithTimeout(20*time.Second), enginetest.WithConnector(func() (connector.Type, connector.Driver) {
		return UserType(), c.openUsers(t)
	}))
	alice := c.reader(entitlement("orders", "read"), people()[enginetest.Alice])
	want := func(may bool, when string) {
		t.Helper()
		if err := alice.Use(t.Context()); (err == nil) != may {
			t.Errorf("%s she may read: %v", when, err)
		}
	}
	want(false, "without a grant")
	older, newer := w.Obtain(t, w.Engine, enginetest.Alice, enginetest.Read), w.Obtain(t, w.Node(), enginetest.Alice, enginetest.Read)
	enginetest.WantEnd(t, w.GiveBack(t, w.Engine, enginetest.Alice, older.ID), access.EndReturned, "")
	want(true, "after the older of two grants")
	c.bindUser(t, enginetest.Alice, "orders-read")
	enginetest.WantEnd(t, w.GiveBack(t, w.Engine, enginetest.Alice, newer.ID), access.EndReturned, "")
	want(true, "by what an owner gave, after both grants")
}
