package dev

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

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
	var objects []map[string]any
	if err := yaml.Unmarshal(kubernetesObjects, &objects); err != nil {
		return err
	}
	for _, o := range objects {
		if status, _, err := k.do(ctx, k.AdminToken(), http.MethodPost, collection(o), o); err != nil || status >= http.StatusMultipleChoices && status != http.StatusConflict {
			return fmt.Errorf("making %s: status %d: %w", collection(o), status, err)
		}
	}
	const account = "/api/v1/namespaces/default/serviceaccounts/curfew/token"
	_, body, err := k.do(ctx, k.AdminToken(), http.MethodPost, account, map[string]any{"spec": map[string]any{"expirationSeconds": 7 * 24 * 3600}})
	if err != nil {
		return err
	}
	var made struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &made); err != nil {
		return err
	}
	const token = "curfew.kubernetes-token" //nolint:gosec // G101: the name of a file
	if err := f.write(token, made.Status.Token); err != nil {
		return err
	}
	return f.configure("kubernetes.yaml", kubernetesConfig, struct{ Server, CAFile, TokenFile string }{
		k.URL(), k.CAFile(), filepath.Join(f.secrets(), token),
	})
}

// collection is the path under which objects of this kind are made.
func collection(o map[string]any) string {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	meta, _ := o["metadata"].(map[string]any)
	root := "/apis/" + version
	if version == "v1" {
		root = "/api/v1"
	}
	if namespace, ok := meta["namespace"].(string); ok {
		root += "/namespaces/" + namespace
	}
	return root + "/" + strings.ToLower(kind) + "s"
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
