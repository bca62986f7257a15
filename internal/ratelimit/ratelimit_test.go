package ratelimit_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/ratelimit"
)

func TestTake(t *testing.T) {
	l := ratelimit.New(6, 3)
	now := time.Unix(1000, 0)
	take := func(key string, after time.Duration, want bool, wantWait time.Duration) {
		t.Helper()
		left := l.Left(key, now.Add(after))
		ok, wait := l.Take(key, now.Add(after))
		if ok != want || left != want || wait != wantWait {
			t.Errorf("%s after %s: %t (%t left), wait %s; want %t, %s", key, after, ok, left, wait, want, wantWait)
		}
	}
	for range 3 {
		take("a", 0, true, 0)
	}
	take("a", 0, false, 10*time.Second)
	take("b", 0, true, 0)
	take("a", 9*time.Second, false, time.Second)
	take("a", 10*time.Second, true, 0)
	take("a", 10*time.Second, false, 10*time.Second)
	take("a", time.Hour, true, 0)
}

// Memory is bounded: of many keys the one that was seen longest ago is forgotten, and begins anew.
func TestKeysAreBounded(t *testing.T) {
	l := ratelimit.New(1, 1)
	now := time.Unix(1000, 0)
	l.Take("first", now)
	for i := range 9_999 {
		l.Take(fmt.Sprint(i), now)
	}
	if ok, _ := l.Take("first", now); ok {
		t.Error("a key that was seen is forgotten within the bound")
	}
	l.Take("one more", now)
	if ok, _ := l.Take("0", now); !ok {
		t.Error("more keys are remembered than the bound says")
	}
}

func TestClient(t *testing.T) {
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.7:1234", nil, "192.0.2.7"},
		{"192.0.2.7:1234", []string{"198.51.100.1"}, "192.0.2.7"}, // not through a proxy of ours
		{"127.0.0.1:1234", nil, "127.0.0.1"},
		{"127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1234", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1234", []string{"203.0.113.9, nonsense"}, "127.0.0.1"},
		{"[::1]:1234", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"[2001:db8::1]:1234", nil, "2001:db8::/64"},
		{"[::ffff:192.0.2.7]:1234", nil, "192.0.2.7"},
		{"pipe", nil, "unknown"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := ratelimit.Client(r); got != c.want {
			t.Errorf("%s, forwarded %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}
