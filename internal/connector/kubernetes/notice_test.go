package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// TestNoticeIsAwaitedAgain removes a binding at a server that goes by it for longer than one call waits.
func TestNoticeIsAwaitedAgain(t *testing.T) {
	v := plan{
		Cluster: "a-cluster", Binding: "curfew-alice", Namespace: "orders", User: "alice", Mark: "a mark",
		Role: roleRef{rbacGroup, kindRole, "read"}, Action: accessReviewSpec{Resource: &resourceAttributes{Namespace: "orders", Verb: "get", Resource: "pods"}},
	}
	bound := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			_, _ = fmt.Fprintf(w, `{"status": {"allowed": true, "reason": "RBAC: allowed by RoleBinding %s"}}`, v.Binding)
		case !bound:
			http.NotFound(w, r)
		case r.Method == http.MethodDelete:
			bound = false
		default:
			_, _ = fmt.Fprintf(w, `{"metadata": {"uid": "1", "annotations": {%q: %q}}, "subjects": [{"kind": "User", "name": "alice"}]}`, noteMark, v.Mark)
		}
	}))
	t.Cleanup(server.Close)
	d := openAt(t, server.URL)
	p, err := v.encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := d.Revoke(context.Background(), connector.Order{}, p)
		wantKind(t, err, access.KindUnavailable, "though the binding is gone")
	}
}
