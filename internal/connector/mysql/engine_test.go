package mysql

import (
	"flag"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// together is how many grants end at once in TestEndTogether. 500 are for a look by hand.
var together = flag.Int("together", 60, "how many grants TestEndTogether ends at once")

// TestEndTogether lets many grants end at one moment, on two nodes. How late they are is for who reads the log.
func TestEndTogether(t *testing.T) {
	p := start(t)
	before := p.snapshot(t)
	clock := &enginetest.LeapClock{}
	w := enginetest.New(t, enginetest.WithTimeout(20*time.Second), enginetest.WithClock(clock),
		enginetest.WithConnector(func() (connector.Type, connector.Driver) { return Type(), p.open(t) }))
	late := enginetest.EndTogether(t, w, clock, *together)
	n := len(late)
	t.Logf("%d grants on two nodes: read back as gone %v, %v (p99) and %v (last) after their end", n, late[n/2], late[n*99/100], late[n-1])
	if after := p.snapshot(t); after != before {
		t.Errorf("something is left:\n%s", after)
	}
}
