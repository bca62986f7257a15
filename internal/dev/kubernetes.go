package dev

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed kubernetes_objects.yaml
var kubernetesObjects []byte

//go:embed kubernetes.yaml
var kubernetesConfig string

func kubernetesKind() kind {
	return kind{name: "kubernetes", present: localpeer.HasKubernetes, start: startKubernetes}
}

// readCluster is what the demo's engineers have for the asking at the cluster.
const readCluster = "cluster/orders:read"

// kubernetes is a private cluster of the demo's.
type kubernetes struct {
	*localpeer.Kubernetes
	client *http.Client
}

func startKubernetes(ctx context.Context, f *folder, progress io.Writer) (target, error) {
	server, err := localpeer.StartKubernetes(ctx, localpeer.KubernetesOptions{Progress: progress})
	if err != nil {
		return nil, err
	}
	k := &kubernetes{Kubernetes: server}
	if k.client, err = server.Client(); err == nil {
		err = k.setUp(ctx, f)
	}
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return k, nil
}

// setUp gives the cluster what a company has, and Curfew its account there, and writes down how Curfew reaches it.
func (k *kubernetes) setUp(ctx context.Context, f *folder) error {
	if err := k.Create(ctx, kubernetesObjects); err != nil {
		return err
	}
	made, err := k.IssueToken(ctx, "default", "curfew", 7*24*time.Hour)
	if err != nil {
		return err
	}
	const token = "curfew.kubernetes-token" //nolint:gosec // G101: the name of a file
	if err := f.write(token, made); err != nil {
		return err
	}
	return f.configure("kubernetes.yaml", kubernetesConfig, struct{ Server, CAFile, TokenFile string }{
		k.URL(), k.CAFile(), filepath.Join(f.secrets(), token),
	})
}

// do makes a request with a token.
func (k *kubernetes) do(ctx context.Context, token, method, path string, in any) (status int, body []byte, err error) {
	var sent bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&sent).Encode(in); err != nil {
			return 0, nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, k.URL()+path, &sent)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, errors.Join(err, response.Body.Close())
}

func (k *kubernetes) offer() string {
	return `With the private Kubernetes:

  curfew request ` + readCluster + ` --for 2m --reason "look at order 17" --wait
  curfew exec ` + readCluster + ` -- kubectl get configmaps
`
}

func (k *kubernetes) visitor(t *tour) visitor { return &apiVisitor{tour: t, kubernetes: k} }

func (k *kubernetes) stop() error {
	k.client.CloseIdleConnections()
	return k.Stop()
}
