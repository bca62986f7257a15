package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// refusalIsReadBack uses a token just before its grant is taken back. The server goes on to take it, and Observe says so, until
// the server has come to refuse it.
func refusalIsReadBack(t *testing.T, c *cluster) {
	d := c.open(t)
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	token := g.out.Credential.Password
	if status := c.review(t, token); status != http.StatusCreated {
		t.Fatalf("the server answers the token of a live grant with %d", status)
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	taken := 0
	for {
		taking := c.review(t, token) == http.StatusCreated
		presence, err := d.Observe(ctx, g.order, g.plan)
		if err != nil || presence.State() != connector.Absent {
			t.Fatalf("Observe says %s: %v", presence.State(), err)
		}
		if presence.Issued != connector.Present {
			if presence.Issued != connector.Absent || !strings.Contains(presence.ReadBy, "was refused at") {
				t.Errorf("Observe says %q of what was issued, read by %q", presence.Issued, presence.ReadBy)
			}
			break
		}
		if taking {
			taken++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the server takes a token of a deleted account for ever")
		}
	}
	if taken == 0 {
		t.Error("the server never took the token after its account was deleted, so that nothing was there to see")
	}
	if status := c.review(t, token); status != http.StatusUnauthorized {
		t.Errorf("Observe has seen a token refused, and the server answers the person's with %d", status)
	}
}

// canary is in each token that a tokenServer makes. Nobody may ever read it.
const canary = "canary"

// probeToken is shaped as those that servers sign.
func probeToken() string {
	claims := fmt.Sprintf(`{"exp": %d}`, time.Now().Add(minTokenLife).Unix())
	return canary + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".signature"
}

// tokenServer plays an API server that has one account of a grant, and answers requests for tokens and questions about them as a
// test wants. A status of 0 is no answer.
type tokenServer struct {
	mu            sync.Mutex
	account       bool
	making, takes int
	made, asked   int
}

func (s *tokenServer) set(change func(*tokenServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a server learns after that alone that its client has left
	s.mu.Lock()
	status, body := s.answer(r)
	s.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *tokenServer) answer(r *http.Request) (int, any) {
	account := serviceAccount{object: object{Metadata: metadata{
		Name: "curfew-alice-1", Namespace: defaultAccountsNamespace, UID: "1", Annotations: map[string]string{noteMark: "a mark"},
	}}}
	switch at := r.URL.Path; {
	case strings.HasSuffix(at, "/kube-system"):
		return http.StatusOK, namespace{Metadata: metadata{UID: "a-cluster"}}
	case strings.HasSuffix(at, "/token"):
		s.made++
		token := probeToken()
		return s.making, map[string]any{"message": "not " + token, "status": map[string]string{"token": token}}
	case strings.HasSuffix(at, "/selfsubjectreviews"):
		s.asked++
		return s.takes, map[string]string{"message": "not " + r.Header.Get("Authorization")}
	case r.Method == http.MethodDelete:
		s.account = false
		return http.StatusOK, object{}
	case strings.HasSuffix(at, "/serviceaccounts"):
		items := []serviceAccount{}
		if s.account {
			items = append(items, account)
		}
		return http.StatusOK, map[string]any{"items": items}
	default:
		return http.StatusNotFound, map[string]string{"message": "nothing is there"}
	}
}

// stepClock stands until it is moved.
type stepClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stepClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepClock) step(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// removed is a grant whose account a driver takes back at a tokenServer.
type removed struct {
	*tokenServer
	clock *stepClock
	d     connector.Driver
	plan  access.Plan
	url   string
}

// newRemoved has a server that makes tokens, and takes them, unless change has it otherwise.
func newRemoved(t *testing.T, change func(*tokenServer)) *removed {
	t.Helper()
	r := &removed{tokenServer: &tokenServer{making: http.StatusCreated, takes: http.StatusCreated}, clock: &stepClock{now: time.Now()}}
	change(r.tokenServer)
	server := httptest.NewServer(r.tokenServer)
	t.Cleanup(server.Close)
	r.url = server.URL
	r.d = openAtWith(t, server.URL, r.clock)
	v := plan{Cluster: "a-cluster", Binding: "curfew-alice", Namespace: "orders", Accounts: defaultAccountsNamespace, Grant: "gr_1", Mark: "a mark"}
	var err error
	if r.plan, err = v.encode(); err != nil {
		t.Fatal(err)
	}
	return r
}

// revoke takes the account back, which must work whatever becomes of the probe.
func (r *removed) revoke(t *testing.T) {
	t.Helper()
	r.set(func(s *tokenServer) { s.account = true })
	if _, err := r.d.Revoke(t.Context(), connector.Order{}, r.plan); err != nil {
		t.Error(err)
	}
	r.set(func(s *tokenServer) {
		if s.account {
			t.Error("the account is there after Revoke")
		}
	})
}

// want reads back that the access is gone, and what is said of what was issued.
func (r *removed) want(t *testing.T, issued connector.AtomState, says string) {
	t.Helper()
	presence, err := r.d.Observe(t.Context(), connector.Order{}, r.plan)
	if err != nil || presence.State() != connector.Absent || presence.Issued != issued || !strings.Contains(presence.ReadBy, says) {
		t.Errorf("Observe says %s, and %q of what was issued, read by %q: %v; want %q that says %q", presence.State(), presence.Issued, presence.ReadBy, err, issued, says)
	}
	if shown := fmt.Sprintf("%+v %v", presence, err); strings.Contains(shown, canary) {
		t.Errorf("a token is in what Observe says: %s", shown)
	}
}

// A server that takes no such question recognises its asker all the same. What has been refused for good is asked about no more,
// and its token is given up.
func TestProbeIsTriedUntilItIsRefused(t *testing.T) {
	t.Parallel()
	for _, taken := range []int{http.StatusCreated, http.StatusForbidden, http.StatusNotFound} {
		r := newRemoved(t, func(s *tokenServer) { s.takes = taken })
		r.revoke(t)
		r.want(t, connector.Present, "is still taken")
		r.set(func(s *tokenServer) { s.takes = http.StatusUnauthorized })
		r.want(t, connector.Absent, "was refused at")
		r.set(func(s *tokenServer) { s.takes = taken })
		r.want(t, connector.Present, "is still taken") // by another server, which remembers it
		r.clock.step(tokenCache + time.Millisecond)
		r.set(func(s *tokenServer) { s.takes = http.StatusUnauthorized })
		r.want(t, connector.Absent, "was refused at "+r.clock.Now().UTC().Format(time.RFC3339))
		if d, _ := r.d.(*driver); d.probes.held["a mark"].token != "" {
			t.Error("the token is kept that was refused for good")
		}
		asked := r.asked
		r.clock.step(time.Minute)
		r.want(t, connector.Absent, "was refused at "+r.clock.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
		if r.asked != asked {
			t.Error("it is asked about again")
		}
		r.clock.step(probeLife)
		r.want(t, connector.Unknown, "only the wait of 11s counts: there is none")
	}
}

// Without a probe a removal works as it does with one, and the read says what is not known, and why.
func TestRemovalWithoutAProbe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*tokenServer)
		says   string
	}{
		"no right to make tokens": {func(s *tokenServer) { s.making = http.StatusForbidden }, "none could be made: HTTP status 403"},
		"no answer":               {func(s *tokenServer) { s.making = 0 }, "none could be made: no answer that can be used"},
		"account gone meanwhile":  {func(s *tokenServer) { s.making = http.StatusNotFound }, "its account was gone"},
		"no token":                {func(s *tokenServer) { s.making = http.StatusServiceUnavailable }, "none could be made: HTTP status 503"},
		"never taken":             {func(s *tokenServer) { s.takes = http.StatusUnauthorized }, "the server did not take it while its account was there"},
		"not tried":               {func(s *tokenServer) { s.takes = http.StatusTooManyRequests }, "none could be made: HTTP status 429"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemoved(t, c.change)
			r.revoke(t)
			r.want(t, connector.Unknown, "only the wait of 11s counts: "+c.says)
		})
	}
	t.Run("no answer to the question", func(t *testing.T) {
		t.Parallel()
		r := newRemoved(t, func(*tokenServer) {})
		r.revoke(t)
		r.set(func(s *tokenServer) { s.takes = http.StatusInternalServerError })
		r.want(t, connector.Unknown, "did not say whether it takes it: HTTP status 500")
	})
	t.Run("after a restart", func(t *testing.T) {
		t.Parallel()
		r := newRemoved(t, func(*tokenServer) {})
		r.revoke(t)
		r.d = openAtWith(t, r.url, r.clock)
		r.want(t, connector.Unknown, "there is none, as on another node, after a restart")
	})
	t.Run("after Close", func(t *testing.T) {
		t.Parallel()
		r := newRemoved(t, func(*tokenServer) {})
		r.revoke(t)
		if d, _ := r.d.(*driver); d.Close() != nil || len(d.probes.held) != 0 {
			t.Error("a closed driver holds probes")
		}
	})
}

// A server that makes no tokens is not asked for one with each removal: that would delay the removals of a batch.
func TestProbesRestAfterAFailure(t *testing.T) {
	t.Parallel()
	r := newRemoved(t, func(s *tokenServer) { s.making = http.StatusInternalServerError })
	r.revoke(t)
	r.set(func(s *tokenServer) { s.making = http.StatusCreated })
	r.revoke(t)
	r.want(t, connector.Unknown, "HTTP status 500")
	if r.made != 1 {
		t.Errorf("tokens were asked for %d times at once", r.made)
	}
	r.clock.step(probeRest)
	r.revoke(t)
	r.want(t, connector.Present, "is still taken")
}

// What is held is bounded, and given up when its time is over. What could not be made anew displaces nothing of the same account.
func TestProbesAreBounded(t *testing.T) {
	var p probes
	now := time.Now()
	later := now.Add(probeLife)
	for i := range maxProbes {
		p.hold(access.Mark(fmt.Sprint(i)), probe{account: "a", token: "a token", forget: later}, now)
	}
	p.hold("one more", probe{token: "a token", forget: later}, now)
	if _, held := p.get("one more", now); held || len(p.held) != maxProbes {
		t.Errorf("%d probes are held", len(p.held))
	}
	p.hold("0", probe{account: "a", why: "it failed", forget: later}, now)
	if one, _ := p.get("0", now); one.token == "" {
		t.Error("a probe was displaced by none")
	}
	p.hold("0", probe{account: "b", why: "it failed", forget: later}, now)
	if one, _ := p.get("0", now); one.token != "" {
		t.Error("the probe of another account stands for this one")
	}
	if _, held := p.get("1", later); held {
		t.Error("a probe is held beyond its time")
	}
	p.hold("one more", probe{token: "a token", forget: later.Add(time.Second)}, later)
	if len(p.held) != 1 {
		t.Errorf("%d probes are held when the time of all but one is over", len(p.held))
	}
}
