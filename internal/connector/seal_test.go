package connector_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

// Where a target lets nothing expire soon, a short grant may expire as soon as the target can, and no later; a long one at its
// deadline, as everywhere.
func TestExpiryFloor(t *testing.T) {
	const floor = 10 * time.Minute
	for name, c := range map[string]struct {
		life, expires time.Duration
		fails         bool
	}{
		"a short grant, as soon as can be": {time.Minute, floor, false},
		"a short grant, later than that":   {time.Minute, floor + time.Minute, true},
		"a long grant, at its deadline":    {time.Hour, time.Hour, false},
		"a long grant, after its deadline": {time.Hour, time.Hour + time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			typ := memory.Type()
			typ.Traits.ExpiryFloor = floor
			o := newOrder()
			o.Recipient, o.Deadline = newRecipient(t).Public(), o.Start.Add(c.life)
			d := &counting{Driver: newTarget().Driver(access.SystemClock{}), outcome: func(out connector.Outcome) connector.Outcome {
				out.NativeExpiry = o.Start.Add(c.expires)
				return out
			}}
			conn := connector.New(d, connector.Options{Name: o.Entitlement.Connector, Type: typ})
			_, err := conn.Grant(t.Context(), o, prepare(t, conn, o))
			if (err != nil) != c.fails || err != nil && access.KindOf(err) != access.KindInternal {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
