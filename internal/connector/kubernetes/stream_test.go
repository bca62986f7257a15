package kubernetes

import (
	"bufio"
	"net/http"
	"testing"
)

// watchGoesOn holds the page to what it says of streams: the server asks who may watch when a watch begins, and not again.
// What is new after the removal still comes out of a watch that was open.
func watchGoesOn(t *testing.T, c *cluster) {
	d := c.open(t)
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	watch := c.watch(t, g.out.Credential.Password)
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	r := c.reader(entitlement("orders", "read"), g.out.Credential.Password)
	if err := r.Use(t.Context()); err == nil {
		t.Fatal("the token still reads")
	}
	c.must(t, http.MethodPost, "/api/v1/namespaces/orders/configmaps", map[string]any{"metadata": map[string]any{"name": "made-afterwards"}})
	if !watch.Scan() {
		t.Errorf("a watch that was open has ended (%v): the page says that it goes on", watch.Err())
	}
	if traits().EndsSessions {
		t.Error("the traits promise that it ends")
	}
}

// watch opens a watch of the namespace orders, which is read by lines.
func (c *cluster) watch(t *testing.T, token string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL()+"/api/v1/namespaces/orders/configmaps?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the watch is answered with %s", response.Status)
	}
	return bufio.NewScanner(response.Body)
}
