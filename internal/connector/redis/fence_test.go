package redis

import (
	"strings"
	"testing"
	"time"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// An order that is held on its way until it is too late has no effect when it arrives: the server itself sees to it, at
// whichever message it was held.
func TestHeldOrderHasNoEffect(t *testing.T) {
	p := start(t)
	d := p.open(t)
	for point := range relaytest.Points {
		var held chan struct{}
		count, letGo := 0, make(chan struct{})
		held = make(chan struct{})
		relay := relaytest.New(t, p.Addr(), func(m relaytest.Message) bool {
			if m.ToServer && strings.Contains(string(m.Bytes), "hello") || !m.ToServer {
				return true
			}
			if count++; count == point+1 {
				close(held)
				<-letGo
			}
			return true
		})
		through := p.open(t, func(c *Config) { c.URL = "redis://" + relay.Addr() })
		o := order("read", "late"+string(rune('0'+point)))
		plan, err := d.Prepare(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.ActBy = time.Now().Add(500 * time.Millisecond)
		done := make(chan error, 1)
		go func() {
			_, err := through.Grant(t.Context(), o, plan)
			done <- err
		}()
		select {
		case <-held:
			connectortest.AwaitPast(t, o.ActBy)
			close(letGo)
			if err := <-done; access.KindOf(err) != access.KindTimeout {
				t.Errorf("held at %d: %v", point, err)
			}
			if v, _ := decodePlan(plan); p.do(t, "ACL GETUSER "+v.User) != nil {
				t.Errorf("held at %d, and the user was made", point)
			}
		case err := <-done:
			if err != nil || point < 3 {
				t.Errorf("never held at %d: %v", point, err)
			}
			if _, err := d.Revoke(t.Context(), o, plan); err != nil {
				t.Error(err)
			}
		}
	}
}

// Somebody who can write the key of an order keeps it from being carried out, and cannot make it last.
func TestTouchedFenceStopsAnOrder(t *testing.T) {
	p := start(t)
	for _, touch := range []string{"DEL", "PERSIST"} {
		relay := relaytest.New(t, p.Addr(), func(m relaytest.Message) bool {
			if m.ToServer && strings.Contains(string(m.Bytes), "multi") {
				for _, key := range p.admin.Keys(t.Context(), fencePrefix+"*").Val() {
					p.do(t, touch+" "+key)
				}
			}
			return true
		})
		d := p.open(t, func(c *Config) { c.URL = "redis://" + relay.Addr() })
		o := order("read", "touched")
		v := plan{User: "curfew_alice_touched", Mark: o.Mark, Rules: []string{"+get"}, Target: "orders-cache"}
		encoded, err := v.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Grant(t.Context(), o, encoded); access.KindOf(err) != access.KindTimeout {
			t.Errorf("%s: %v", touch, err)
		}
		if p.do(t, "ACL GETUSER "+v.User) != nil {
			t.Errorf("%s: the user was made", touch)
		}
		p.admin.Del(t.Context(), p.admin.Keys(t.Context(), fencePrefix+"*").Val()...)
	}
}

// A user whose password was issued is known to the server by a hash, and no key of an order is left behind.
func TestGrantLeavesNoKey(t *testing.T) {
	p := start(t)
	d := p.open(t)
	_, c := give(t, d, order("read", "clean"))
	if keys := p.admin.Keys(t.Context(), fencePrefix+"*").Val(); len(keys) != 0 {
		t.Errorf("the keys %q are left", keys)
	}
	for _, entry := range p.admin.SlowLogGet(t.Context(), 100).Val() {
		if strings.Contains(strings.Join(entry.Args, " "), c.Password) {
			t.Error("the password is in the slow log")
		}
	}
	wrong := &protocol.Options{Username: c.Username, Password: c.Password + "x"}
	if _, err := p.connect(t.Context(), wrong, "read"); err == nil {
		t.Error("another password works")
	}
}
