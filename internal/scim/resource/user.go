package resource

// NewUser is the type of users: RFC 7643, sections 4.1 and 4.3, whole.
func NewUser() *Type {
	return &Type{
		Name: "User", Endpoint: "/Users", Description: "A person.", common: commonAttributes(),
		Schema:     &Schema{ID: UserSchema, Name: "User", Description: "A person.", Attributes: userAttributes()},
		Extensions: []*Schema{{ID: EnterpriseSchema, Name: "Enterprise User", Description: "A person in an organisation.", Attributes: enterpriseAttributes()}},
	}
}

func userAttributes() []Attribute {
	name := text("userName", "The name that the person signs in with. No two users have the same, in any case of letters.")
	name.Required, name.Uniqueness = true, "server"
	password := fixed(exact(text("password", "Taken and thrown away: nobody signs in here with a password.")), writeOnly)
	password.Returned = returnedNever
	address := []Attribute{
		text("formatted", "The whole address."), text("streetAddress", "Street and house."), text("locality", "The city."),
		text("region", "The state or region."), text("postalCode", "The postal code."), text("country", "The country, ISO 3166-1 alpha-2."),
		text("type", "What the address is for."), typed(text("primary", "Whether it is the one to use first."), Boolean),
	}
	return append([]Attribute{
		name,
		complexOf("name", "The parts of the person's name.", text("formatted", "The whole name."), text("familyName", "The family name."),
			text("givenName", "The given name."), text("middleName", "The middle names."), text("honorificPrefix", "As in Ms."),
			text("honorificSuffix", "As in III.")),
		text("displayName", "The name for people to read."), text("nickName", "What the person is called."),
		typed(text("profileUrl", "A page about the person."), Reference, "external"), text("title", "As in Vice President."),
		text("userType", "As in Contractor."), text("preferredLanguage", "As in Accept-Language."), text("locale", "As in en-US."),
		text("timezone", "As in Europe/Berlin."),
		typed(text("active", "Whether the person may use Curfew. False ends sessions, tokens and access at once."), Boolean),
		password,
		multiple(complexOf("addresses", "Postal addresses.", address...)),
	}, userLists()...)
}

func userLists() []Attribute {
	value := text("value", "The value.")
	return []Attribute{
		plural("emails", "Mail addresses. They are attributes here, and never keys.", value, "work", "home", "other"),
		plural("phoneNumbers", "Telephone numbers.", value, "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Addresses of instant messengers.", value),
		plural("photos", "Pictures.", typed(value, Reference, "external"), "photo", "thumbnail"),
		fixed(multiple(complexOf("groups", "The groups that the person is in; they are changed at the groups.",
			fixed(exact(text("value", "The group's id.")), readOnly),
			fixed(typed(text("$ref", "The group's address."), Reference, "Group"), readOnly),
			fixed(text("display", "The group's name."), readOnly),
			fixed(text("type", "Always direct: groups are in no groups."), readOnly))), readOnly),
		plural("entitlements", "Kept as it is written. It gives nothing here.", value),
		plural("roles", "Kept as it is written. It gives nothing here.", value),
		plural("x509Certificates", "Certificates.", typed(value, Binary)),
	}
}

func enterpriseAttributes() []Attribute {
	return []Attribute{
		text("employeeNumber", "The number of the employee."), text("costCenter", "The cost centre."), text("organization", "The organisation."),
		text("division", "The division."), text("department", "The department."),
		complexOf("manager", "Whom the person reports to.",
			exact(text("value", "The id of a user, or the userName of one.")),
			typed(text("$ref", "The address of that user."), Reference, "User"),
			fixed(text("displayName", "Not kept: it is in the manager's own resource."), readOnly)),
	}
}

// NewGroup is the type of groups (RFC 7643, section 4.2). Their members are users; groups in groups are refused.
func NewGroup() *Type {
	name := text("displayName", "The name by which policies know the group. No two groups have the same, in any case of letters.")
	name.Required, name.Uniqueness = true, "server"
	kind := fixed(text("type", "Always User."), immutable)
	kind.CanonicalValues = []string{"User"}
	return &Type{
		Name: "Group", Endpoint: "/Groups", Description: "A group of people.", common: commonAttributes(),
		Schema: &Schema{ID: GroupSchema, Name: "Group", Description: "A group of people.", Attributes: []Attribute{
			name,
			multiple(complexOf(Members, "Who is in the group.",
				fixed(exact(text("value", "The user's id.")), immutable),
				fixed(typed(text("$ref", "The user's address."), Reference, "User"), immutable), kind)),
		}},
	}
}

// Members is the attribute of a group's members.
const Members = "members"
