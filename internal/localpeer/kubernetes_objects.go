package localpeer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxObjectAnswer bounds what is read of the server's answer to a new object.
const maxObjectAnswer = 1 << 20

// Create makes the objects of a YAML list, as the administrator. One that is there already is left as it is.
func (k *Kubernetes) Create(ctx context.Context, list []byte) error {
	var objects []map[string]any
	if err := yaml.Unmarshal(list, &objects); err != nil {
		return err
	}
	for _, o := range objects {
		if err := k.post(ctx, collection(o), o, nil); err != nil {
			return err
		}
	}
	return nil
}

// IssueToken makes a bearer token of a ServiceAccount. Without audiences it is for the API server itself.
func (k *Kubernetes) IssueToken(ctx context.Context, namespace, account string, life time.Duration, audiences ...string) (string, error) {
	var made struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	err := k.post(ctx, fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", namespace, account),
		map[string]any{"spec": map[string]any{"expirationSeconds": int(life.Seconds()), "audiences": audiences}}, &made)
	return made.Status.Token, err
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

// post sends an object, and reads the answer into out unless that is nil.
func (k *Kubernetes) post(ctx context.Context, path string, object, out any) error {
	client, err := k.Client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.URL()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+k.adminToken)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxObjectAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	switch {
	case answer.StatusCode == http.StatusConflict && out == nil:
		return nil
	case answer.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("making an object at %s: %s", path, answer.Status)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// Issuer is the issuer of ServiceAccounts' tokens, at which nobody answers, as in many clusters.
func (k *Kubernetes) Issuer() string { return kubernetesIssuer }

// KeysURL is where the administrator reads the keys that ServiceAccounts' tokens are signed with.
func (k *Kubernetes) KeysURL() string { return k.URL() + "/openid/v1/jwks" }
