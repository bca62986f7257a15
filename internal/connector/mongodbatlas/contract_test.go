package mongodbatlas

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"go.yaml.in/yaml/v3"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// contract is Atlas' published description of its API, as far as the driver uses it. It is read where MongoDB publishes it, in the
// module of their SDK, because its licence (CC BY-NC-SA 3.0 US) is not ours.
func contract(t testing.TB) routers.Router {
	t.Helper()
	dir, err := localpeer.ModuleDir(t.Context(), "atlas", "go.mongodb.org/atlas-sdk/v20250312003")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "openapi", "atlas-api.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	trimmed := trim(whole,
		"/api/atlas/v2/groups/{groupId}/databaseUsers", "/api/atlas/v2/groups/{groupId}/databaseUsers/{databaseName}/{username}",
		"/api/atlas/v2/groups/{groupId}/clusters/{clusterName}/status")
	text, err = json.Marshal(trimmed)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaPatternValidation())
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// trim keeps some paths and what they refer to, and serves them anywhere.
func trim(whole map[string]any, paths ...string) map[string]any {
	kept := map[string]any{}
	all, _ := whole["paths"].(map[string]any)
	for _, p := range paths {
		kept[p] = all[p]
	}
	components := map[string]any{}
	out := map[string]any{"openapi": whole["openapi"], "info": map[string]any{"title": "trimmed", "version": "1"}, "paths": kept, "components": components}
	source, _ := whole["components"].(map[string]any)
	components["securitySchemes"] = source["securitySchemes"]
	keepReferences(kept, source, components)
	return out
}

func keepReferences(v any, source, kept map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if ref, ok := e.(string); ok && k == "$ref" {
				keepReference(ref, source, kept)
				continue
			}
			keepReferences(e, source, kept)
		}
	case []any:
		for _, e := range v {
			keepReferences(e, source, kept)
		}
	}
}

func keepReference(ref string, source, kept map[string]any) {
	kind, name, ok := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	section, _ := source[kind].(map[string]any)
	if !ok || section[name] == nil {
		return
	}
	into, _ := kept[kind].(map[string]any)
	if into == nil {
		into = map[string]any{}
		kept[kind] = into
	}
	if into[name] == nil {
		into[name] = section[name]
		keepReferences(section[name], source, kept)
	}
}
