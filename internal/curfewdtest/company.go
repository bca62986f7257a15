package curfewdtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/api/client"
)

// The people of the company.
const (
	Alice = "alice" // asks
	Bob   = "bob"   // reviews
	Carol = "carol" // administers
	Dave  = "dave"  // administers too
)

// Directory is the part of a configuration that knows them. Their tokens are in the folder that stands for %[1]s.
const Directory = `
directory:
  static:
    - {id: alice, kind: human, groups: [engineering], token: "file:%[1]s/alice"}
    - {id: bob, kind: human, groups: [leads], token: "file:%[1]s/bob"}
    - {id: carol, kind: human, groups: [platform], token: "file:%[1]s/carol"}
    - {id: dave, kind: human, groups: [platform], token: "file:%[1]s/dave"}
roles: {admin: ["group:platform"]}
`

// Company is a folder with a configuration and everybody's token.
type Company struct {
	// Folder holds the configuration and what it refers to.
	Folder string
	tokens map[string]string
}

// NewCompany writes files into the folder, and the tokens. One of the files is curfew.yaml.
func NewCompany(t testing.TB, folder string, files map[string]string) *Company {
	t.Helper()
	c := &Company{Folder: folder, tokens: map[string]string{}}
	for _, who := range []string{Alice, Bob, Carol, Dave} {
		c.tokens[who] = who + "-token-" + filepath.Base(folder)
		c.write(t, who, c.tokens[who])
	}
	for name, content := range files {
		c.write(t, name, content)
	}
	return c
}

func (c *Company) write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Config is the path of the configuration.
func (c *Company) Config() string { return filepath.Join(c.Folder, "curfew.yaml") }

// As is the API at an address as one of the people sees it. A nil doer is Go's own client.
func (c *Company) As(t testing.TB, who, addr string, doer client.HttpRequestDoer) *client.ClientWithResponses {
	t.Helper()
	if doer == nil {
		doer = http.DefaultClient
	}
	api, err := client.NewClientWithResponses("http://"+addr, client.WithHTTPClient(doer), client.WithRequestEditorFn(c.authorize(who)))
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func (c *Company) authorize(who string) client.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+c.tokens[who])
		return nil
	}
}

// Get reads a page that is no part of the API, such as /metrics.
func (c *Company) Get(ctx context.Context, who, addr, path string, doer client.HttpRequestDoer) (string, error) {
	if doer == nil {
		doer = http.DefaultClient
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return "", err
	}
	if err := c.authorize(who)(ctx, r); err != nil {
		return "", err
	}
	answer, err := doer.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", path, answer.Status, body)
	}
	return string(body), err
}
