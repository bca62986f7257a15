package resource

import "strings"

// AttributeType is the data type of an attribute (RFC 7643, section 2.3).
type AttributeType string

// The types that attributes here have.
const (
	String    AttributeType = "string"
	Boolean   AttributeType = "boolean"
	DateTime  AttributeType = "dateTime"
	Reference AttributeType = "reference"
	Binary    AttributeType = "binary"
	Complex   AttributeType = "complex"
)

// Mutabilities, and when an attribute is returned (RFC 7643, section 7).
const (
	readOnly  = "readOnly"
	readWrite = "readWrite"
	immutable = "immutable"
	writeOnly = "writeOnly"

	returnedAlways  = "always"
	returnedDefault = "default"
	returnedNever   = "never"
)

// Attribute is the definition of an attribute, as it is served under /Schemas.
type Attribute struct {
	Name            string        `json:"name"`
	Type            AttributeType `json:"type"`
	MultiValued     bool          `json:"multiValued"`
	Description     string        `json:"description"`
	Required        bool          `json:"required"`
	CaseExact       bool          `json:"caseExact"`
	Mutability      string        `json:"mutability"`
	Returned        string        `json:"returned"`
	Uniqueness      string        `json:"uniqueness"`
	ReferenceTypes  []string      `json:"referenceTypes,omitempty"`
	CanonicalValues []string      `json:"canonicalValues,omitempty"`
	SubAttributes   []Attribute   `json:"subAttributes,omitempty"`
}

// sub finds a sub-attribute in any case.
func (a *Attribute) sub(name string) *Attribute { return attributeIn(a.SubAttributes, name) }

func attributeIn(list []Attribute, name string) *Attribute {
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			return &list[i]
		}
	}
	return nil
}

// Schema is a schema, as it is served under /Schemas.
type Schema struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Attributes  []Attribute `json:"attributes"`
}

// Type is a type of resource with the schemas of its documents.
type Type struct {
	// Name is "User" or "Group", Endpoint where they are.
	Name, Endpoint, Description string
	Schema                      *Schema
	Extensions                  []*Schema
	// common are the attributes that every resource has.
	common []Attribute
}

// Identifiers of schemas.
const (
	UserSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// extension finds an extension by its identifier in any case.
func (t *Type) extension(id string) *Schema {
	for _, s := range t.Extensions {
		if strings.EqualFold(s.ID, id) {
			return s
		}
	}
	return nil
}

// attribute finds a core or common attribute in any case.
func (t *Type) attribute(name string) *Attribute {
	if a := attributeIn(t.Schema.Attributes, name); a != nil {
		return a
	}
	return attributeIn(t.common, name)
}

// text, multiple and so on make definitions with the defaults of RFC 7643, section 2.2.
func text(name, description string) Attribute {
	return Attribute{Name: name, Type: String, Description: description, Mutability: readWrite, Returned: returnedDefault, Uniqueness: "none"}
}

func exact(a Attribute) Attribute {
	a.CaseExact = true
	return a
}

func fixed(a Attribute, mutability string) Attribute {
	a.Mutability = mutability
	return a
}

func typed(a Attribute, t AttributeType, references ...string) Attribute {
	a.Type, a.ReferenceTypes = t, references
	a.CaseExact = a.CaseExact || t == Reference || t == Binary || t == DateTime
	return a
}

func complexOf(name, description string, subs ...Attribute) Attribute {
	a := typed(text(name, description), Complex)
	a.SubAttributes = subs
	return a
}

func multiple(a Attribute) Attribute {
	a.MultiValued = true
	return a
}

// plural is a list of values with the sub-attributes of RFC 7643, section 2.4.
func plural(name, description string, value Attribute, kinds ...string) Attribute {
	kind := text("type", "What the value is for.")
	kind.CanonicalValues = kinds
	return multiple(complexOf(name, description, value, text("display", "The value for people to read."), kind,
		typed(text("primary", "Whether it is the one to use first."), Boolean)))
}

// commonAttributes are those of RFC 7643, section 3.1, and the list of schemas.
func commonAttributes() []Attribute {
	id := fixed(exact(text("id", "The identifier that the server has given; it is never given again.")), readOnly)
	id.Returned, id.Uniqueness = returnedAlways, "server"
	schemas := multiple(typed(text("schemas", "The schemas that the resource has."), Reference, "uri"))
	schemas.Returned = returnedAlways
	return []Attribute{
		schemas, id, exact(text("externalId", "The client's own identifier.")),
		fixed(complexOf("meta", "What the server knows of the resource.",
			fixed(exact(text("resourceType", "The type of the resource.")), readOnly),
			fixed(typed(text("created", "When it was created."), DateTime), readOnly),
			fixed(typed(text("lastModified", "When it was changed last."), DateTime), readOnly),
			fixed(typed(text("location", "Its address."), Reference, "uri"), readOnly),
			fixed(exact(text("version", "Its ETag.")), readOnly)), readOnly),
	}
}
