package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed cluster.yaml
var clusterObjects []byte

// Where the objects of number 9 are.
const (
	ordersPath   = "/api/v1/namespaces/orders/configmaps"
	accountsPath = "/api/v1/namespaces/curfew-accounts/serviceaccounts"
	bindingsPath = "/apis/rbac.authorization.k8s.io/v1/namespaces/orders/rolebindings"
)

// cluster is an API server of Kubernetes and an installation before it.
type cluster struct {
	installation
	server *localpeer.Kubernetes
	// admin may do everything there, over connections that stay open.
	admin *caller
}

// startCluster starts an API server with the objects of cluster.yaml.
func startCluster(ctx context.Context) (_ *cluster, err error) {
	server, err := localpeer.StartKubernetes(ctx, localpeer.KubernetesOptions{Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	c := &cluster{server: server}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	client, err := server.Client()
	if err != nil {
		return nil, err
	}
	if t, ok := client.Transport.(*http.Transport); ok {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	}
	c.admin = &caller{http: client, url: server.URL(), token: server.AdminToken()}
	if err := server.Create(ctx, clusterObjects); err != nil {
		return nil, err
	}
	token, err := server.IssueToken(ctx, "default", "curfew", 2*time.Hour)
	if err != nil {
		return nil, err
	}
	const file = "cluster-token"
	c.installation, err = install(fmt.Sprintf(`{type: kubernetes, server: %q, ca_file: %q, token_file: TOKEN_FILE,
    concurrency: 16, permissions: {read: {cluster_role: orders-read}}}`, server.URL(), server.CAFile()))
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.write(file, token), c.edit("TOKEN_FILE", fmt.Sprintf("%q", c.folder+"/"+file)))
}

func (c *cluster) post(ctx context.Context, at string, object, out any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return c.admin.call(ctx, http.MethodPost, at, body, out)
}

// issue makes a token of an account.
func (c *cluster) issue(ctx context.Context, account string) (string, error) {
	var made struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	err := c.post(ctx, account+"/token", map[string]any{"spec": map[string]any{"expirationSeconds": 7200}}, &made)
	return made.Status.Token, err
}

// opens reports whether a token opens what the role is for.
func (c *cluster) opens(ctx context.Context, token string) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.URL()+ordersPath, nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := c.admin.http.Do(r)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 16<<20)); err != nil { // so that the connection stays open
		return false, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	default:
		return false, fmt.Errorf("the API server answers a token with %s", answer.Status)
	}
}

// marked counts the objects of each grant that bear a mark of ours. It is the engine's: curfew1, installation, tenant,
// connector, grant and MAC, with colons between.
func (c *cluster) marked(ctx context.Context) (map[access.GrantID]int, error) {
	found := map[access.GrantID]int{}
	for _, at := range []string{accountsPath, bindingsPath} {
		var list struct {
			Items []struct {
				Metadata struct {
					Annotations map[string]string `json:"annotations"`
				} `json:"metadata"`
			} `json:"items"`
		}
		if err := c.admin.call(ctx, http.MethodGet, at, nil, &list); err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			for _, note := range o.Metadata.Annotations {
				if parts := strings.Split(note, ":"); len(parts) == 6 && parts[0] == "curfew1" {
					found[access.GrantID(parts[4])]++
				}
			}
		}
	}
	return found, nil
}

// processes are those of the API server and of its store.
func (c *cluster) processes() (pids []int) {
	for _, p := range processes() {
		if p.parent == os.Getpid() && (p.name == "kube-apiserver" || p.name == "etcd") {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// stop ends the API server and removes everything.
func (c *cluster) stop() error {
	err := c.server.Stop()
	if c.folder != "" {
		err = errors.Join(err, c.remove())
	}
	return err
}
