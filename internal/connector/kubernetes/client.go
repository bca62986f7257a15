package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// maxAnswer bounds the answer to one request: a page of a list, at most.
	maxAnswer = 32 << 20
	// maxToken bounds the file that holds our own token.
	maxToken = 64 << 10
	// pageSize is how many objects one answer of a list has.
	pageSize = 500
	// fieldManager names us as the one who last changed what we changed.
	fieldManager  = "curfew"
	mergePatch    = "application/merge-patch+json"
	plainJSON     = "application/json"
	idleTimeout   = time.Minute
	headerTimeout = 30 * time.Second
)

// errClosed is the error of calls after Close.
var errClosed = errors.New("the connector is closed")

// client speaks the Kubernetes API, as Curfew's own account unless it is told otherwise.
type client struct {
	server    string
	tokenFile string
	ca        []byte
	http      *http.Client
	closed    atomic.Bool
}

// newClient reads the certificates, and connects to nothing.
func newClient(c Config) (*client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	k := &client{server: strings.TrimSuffix(c.Server, "/"), tokenFile: c.TokenFile}
	if strings.HasPrefix(k.server, "https://") {
		var err error
		if k.ca, err = os.ReadFile(c.CAFile); err != nil {
			return nil, connector.NewFieldError(err.Error(), "ca_file")
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(k.ca) {
			return nil, connector.NewFieldError("there is no certificate in it; want PEM", "ca_file")
		}
	}
	// HTTP/1.1 alone: with HTTP/2 all calls share one connection, and all of them wait when it is dead.
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	k.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, Protocols: protocols,
			MaxConnsPerHost: c.MaxConnections, MaxIdleConnsPerHost: c.MaxConnections,
			IdleConnTimeout: idleTimeout, ResponseHeaderTimeout: headerTimeout,
		},
		// Our token goes to the server that was configured, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return k, nil
}

func (k *client) close() {
	k.closed.Store(true)
	k.http.CloseIdleConnections()
}

// token reads our own token, which a kubelet replaces every hour.
func (k *client) token() (string, error) {
	f, err := os.Open(k.tokenFile)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxToken))
	return strings.TrimSpace(string(b)), err
}

// path is the path of a request. Each part is one segment of it, whatever it holds.
func path(root string, parts ...string) string {
	for _, p := range parts {
		root += "/" + url.PathEscape(p)
	}
	return root
}

func (k *client) get(ctx context.Context, path string, out any) error {
	_, err := k.do(ctx, http.MethodGet, path, nil, nil, out)
	return err
}

func (k *client) create(ctx context.Context, path string, in, out any) error {
	_, err := k.do(ctx, http.MethodPost, path, url.Values{"fieldManager": {fieldManager}}, in, out)
	return err
}

// createAs creates as the holder of a token, and reads no more than whether the server lets it.
func (k *client) createAs(ctx context.Context, token, path string, in any) error {
	_, err := k.doAs(ctx, token, http.MethodPost, path, nil, in, nil)
	return err
}

// patch changes an object that is there, and makes none: a patch that names a UID is refused for any other object.
func (k *client) patch(ctx context.Context, path string, in, out any) error {
	_, err := k.do(ctx, http.MethodPatch, path, url.Values{"fieldManager": {fieldManager}}, in, out)
	return err
}

// delete deletes the object that has this UID, and no other of its name.
func (k *client) delete(ctx context.Context, path, uid string) error {
	_, err := k.do(ctx, http.MethodDelete, path, nil, map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": map[string]string{"uid": uid}, "propagationPolicy": "Background",
	}, nil)
	return err
}

// list yields the objects below a path, a page at a time.
func list[T any](ctx context.Context, k *client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{"limit": {strconv.Itoa(pageSize)}}
		for key, values := range query {
			q[key] = values
		}
		for {
			var page struct {
				Metadata struct {
					Continue string `json:"continue"`
				} `json:"metadata"`
				Items []T `json:"items"`
			}
			if _, err := k.do(ctx, http.MethodGet, path, q, nil, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Metadata.Continue == "" {
				return
			}
			q.Set("continue", page.Metadata.Continue)
		}
	}
}

// do makes one request as Curfew's own account and reads the answer into out, unless that is nil. The header of the answer holds
// the server's time.
func (k *client) do(ctx context.Context, method, path string, query url.Values, in, out any) (http.Header, error) {
	token, err := k.token()
	if err != nil {
		return nil, errors.Join(errNoToken, err)
	}
	return k.doAs(ctx, token, method, path, query, in, out)
}

// doAs is do as the holder of a token.
func (k *client) doAs(ctx context.Context, token, method, path string, query url.Values, in, out any) (http.Header, error) {
	if k.closed.Load() {
		return nil, errClosed
	}
	request, err := k.request(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := k.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode >= http.StatusMultipleChoices:
		return nil, newServerError(response, body)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	case out == nil:
		return response.Header, nil
	}
	return response.Header, json.Unmarshal(body, out)
}

func (k *client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	target := k.server + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", plainJSON)
	request.Header.Set("User-Agent", fieldManager)
	if in != nil {
		contentType := plainJSON
		if method == http.MethodPatch {
			contentType = mergePatch
		}
		request.Header.Set("Content-Type", contentType)
	}
	return request, nil
}
