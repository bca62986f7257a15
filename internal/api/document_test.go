package api_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/api"
)

var update = flag.Bool("update", false, "write the OpenAPI document instead of comparing it")

// The client is generated from the committed document, so the document has to be what the code says.
func TestCommittedDocumentIsTheCodes(t *testing.T) {
	path := filepath.Join("client", "openapi.json")
	document := api.Document()
	if *update {
		if err := os.WriteFile(path, document, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, document) {
		t.Fatalf("%s differs from the code; run: go generate ./internal/api/client", path)
	}
}
