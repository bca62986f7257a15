package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// document is the description of the API in its two spellings.
type document struct{ json, yaml []byte }

// Document is the OpenAPI 3.1 document of the API, as JSON for people to read. The client is generated from it.
func Document() []byte { return new(surface).register(http.NewServeMux()).json }

// describe renders the description. It cannot fail but by a mistake in this package, which every start would show.
func describe(d *huma.OpenAPI) document {
	schemas := d.Components.Schemas.Map()
	// huma describes its own form of errors, which nobody ever sees: problemFromHuma replaces it.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	plain, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document does not marshal: %v", err))
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, plain, "", "  "); err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document is not JSON: %v", err))
	}
	indented.WriteByte('\n')
	yaml, err := d.YAML()
	if err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document has no YAML: %v", err))
	}
	return document{json: indented.Bytes(), yaml: yaml}
}
