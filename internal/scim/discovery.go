package scim

import (
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/scim/resource"
)

// The documents by which clients find out what the server has (RFC 7643, sections 5 to 7).

const (
	configSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeSchema   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaSchema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

type meta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

type supported struct {
	Supported bool `json:"supported"`
}

type bulkConfig struct {
	Supported      bool `json:"supported"`
	MaxOperations  int  `json:"maxOperations"`
	MaxPayloadSize int  `json:"maxPayloadSize"`
}

type filterConfig struct {
	Supported  bool `json:"supported"`
	MaxResults int  `json:"maxResults"`
}

type authenticationScheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri"`
	Primary     bool   `json:"primary"`
}

func (c *call) serviceProviderConfig() (*answer, error) {
	return &answer{status: http.StatusOK, body: struct {
		Schemas               []string               `json:"schemas"`
		Patch                 supported              `json:"patch"`
		Bulk                  bulkConfig             `json:"bulk"`
		Filter                filterConfig           `json:"filter"`
		ChangePassword        supported              `json:"changePassword"`
		Sort                  supported              `json:"sort"`
		ETag                  supported              `json:"etag"`
		AuthenticationSchemes []authenticationScheme `json:"authenticationSchemes"`
		Meta                  meta                   `json:"meta"`
	}{
		Schemas: []string{configSchema}, Patch: supported{true}, Filter: filterConfig{true, pageMost}, ETag: supported{true},
		AuthenticationSchemes: []authenticationScheme{{
			"oauthbearertoken", "Bearer token", "A token that is configured for each source.", "https://www.rfc-editor.org/rfc/rfc6750", true,
		}},
		Meta: meta{"ServiceProviderConfig", c.URL + Prefix + "/ServiceProviderConfig"},
	}}, nil
}

type extensionOf struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

type resourceType struct {
	Schemas          []string      `json:"schemas"`
	ID               string        `json:"id"`
	Name             string        `json:"name"`
	Endpoint         string        `json:"endpoint"`
	Description      string        `json:"description"`
	Schema           string        `json:"schema"`
	SchemaExtensions []extensionOf `json:"schemaExtensions"`
	Meta             meta          `json:"meta"`
}

func (c *call) allTypes() (list []resourceType) {
	for _, k := range []*kind{c.users, c.groups} {
		t := resourceType{
			Schemas: []string{typeSchema}, ID: k.Name, Name: k.Name, Endpoint: k.Endpoint, Description: k.Description, Schema: k.Schema.ID,
			SchemaExtensions: []extensionOf{}, Meta: meta{"ResourceType", c.URL + Prefix + "/ResourceTypes/" + k.Name},
		}
		for _, s := range k.Extensions {
			t.SchemaExtensions = append(t.SchemaExtensions, extensionOf{Schema: s.ID})
		}
		list = append(list, t)
	}
	return list
}

type schemaDocument struct {
	Schemas []string `json:"schemas"`
	*resource.Schema
	Meta meta `json:"meta"`
}

func (c *call) allSchemas() (list []schemaDocument) {
	for _, k := range []*kind{c.users, c.groups} {
		for _, s := range append([]*resource.Schema{k.Schema}, k.Extensions...) {
			list = append(list, schemaDocument{[]string{schemaSchema}, s, meta{"Schema", c.URL + Prefix + "/Schemas/" + s.ID}})
		}
	}
	return list
}

// discovered answers with all documents. They cannot be filtered (RFC 7644, section 4).
func discovered[T any](c *call, list []T) (*answer, error) {
	if c.r.URL.Query().Has("filter") {
		return nil, statusError(http.StatusForbidden, "What the server has is not filtered.")
	}
	return &answer{status: http.StatusOK, body: struct {
		Schemas      []string `json:"schemas"`
		TotalResults int      `json:"totalResults"`
		StartIndex   int      `json:"startIndex"`
		ItemsPerPage int      `json:"itemsPerPage"`
		Resources    []T      `json:"Resources"`
	}{[]string{listSchema}, len(list), 1, len(list), list}}, nil
}

// discover answers with the document of this name.
func discover[T any](c *call, list []T, name func(T) string) (*answer, error) {
	for _, one := range list {
		if strings.EqualFold(name(one), c.r.PathValue("id")) {
			return &answer{status: http.StatusOK, body: one}, nil
		}
	}
	return nil, statusError(http.StatusNotFound, "There is no such document.")
}

func (c *call) resourceTypes() (*answer, error) { return discovered(c, c.allTypes()) }
func (c *call) schemas() (*answer, error)       { return discovered(c, c.allSchemas()) }

func (c *call) resourceType() (*answer, error) {
	return discover(c, c.allTypes(), func(t resourceType) string { return t.ID })
}

func (c *call) schema() (*answer, error) {
	return discover(c, c.allSchemas(), func(s schemaDocument) string { return s.ID })
}
