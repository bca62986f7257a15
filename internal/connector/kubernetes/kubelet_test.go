package kubernetes

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// No node runs here, so a server of the test's own stands where a kubelet would: the API server dials it by what a Node says, over
// TLS, and hands every byte of a stream on as it hands on a kubelet's. What is said on the stream it does not look at; an echo is
// enough to see whether it keeps the stream open.

// startKubelet lets the cluster have a node, and a pod on it, whose streams are echoed.
func (c *cluster) startKubelet(t *testing.T) {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		_, _ = io.Copy(conn, buffered)
	}))
	t.Cleanup(kubelet.CloseClientConnections)
	t.Cleanup(kubelet.Close)
	at, err := url.Parse(kubelet.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, http.MethodPost, "/api/v1/nodes", map[string]any{
		"metadata": map[string]any{"name": "node"},
		"status": map[string]any{
			"addresses":       []any{map[string]string{"type": "InternalIP", "address": at.Hostname()}},
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]int{"Port": port}},
		},
	})
	c.must(t, http.MethodPost, "/api/v1/namespaces/orders/pods", map[string]any{
		"metadata": map[string]any{"name": "pod"},
		"spec":     map[string]any{"nodeName": "node", "containers": []any{map[string]string{"name": "app", "image": "none"}}},
	})
}

// stream is one that was opened into the pod.
type stream struct {
	io.ReadWriteCloser
	lines *bufio.Reader
}

// openStream opens a stream with a token. SPDY is what kubectl falls back to; a server hands its frames on without a look at them.
func (c *cluster) openStream(t *testing.T, token, subresource string) (s stream, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL()+"/api/v1/namespaces/orders/pods/pod/"+subresource, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "SPDY/3.1")
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusSwitchingProtocols {
		return stream{}, response.StatusCode
	}
	conn, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("a stream is %T", response.Body)
	}
	return stream{conn, bufio.NewReader(conn)}, response.StatusCode
}

// echo says something on the stream and fails the test unless it comes back.
func (s stream) echo(t *testing.T, what string) {
	t.Helper()
	if _, err := io.WriteString(s, what+"\n"); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if line, err := s.lines.ReadString('\n'); err != nil || line != what+"\n" {
		t.Errorf("%s came back as %q: %v", what, line, err)
	}
}

// streamsIntoPodsGoOn holds the page to what it says of exec, attach and port-forward: what was open stays open, both ways, when
// binding and account are gone, and when the server has forgotten that the token was ever good. Nothing new can be opened.
func streamsIntoPodsGoOn(t *testing.T, c *cluster) {
	c.startKubelet(t)
	d := c.open(t, func(config *Config) {
		config.Permissions["shell"] = Permission{ClusterRole: "orders-shell", AllowEscalation: true}
	})
	g := grant(t, d, newOrder(t, entitlement("orders", "shell")))
	token := g.out.Credential.Password
	open := map[string]stream{}
	for _, subresource := range []string{"exec?command=sh&stdin=true&stdout=true", "attach?stdin=true&stdout=true", "portforward"} {
		s, status := c.openStream(t, token, subresource)
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("%s is answered with %d", subresource, status)
		}
		s.echo(t, "before the removal")
		open[subresource] = s
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		for subresource, s := range open {
			if _, status := c.openStream(t, token, subresource); status != http.StatusUnauthorized && status != http.StatusForbidden {
				t.Errorf("%s a new %s is answered with %d", when, subresource, status)
			}
			s.echo(t, when)
		}
	}
	refused("after the removal")
	c.awaitForgotten(t, token)
	refused("after the token is refused")
}

// awaitForgotten waits until the server takes a token for nobody's.
func (c *cluster) awaitForgotten(t *testing.T, token string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for c.review(t, token) != http.StatusUnauthorized {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the server remembers the token")
		}
	}
}
