package scim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What RFC 7644, section 3.3, and RFC 7643, section 8.3, have a client write.
const enterpriseUser = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
  "id": "2819c223-7f76-453a-919d-413861904646", "externalId": "701984", "userName": "bjensen@example.com",
  "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara", "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
  "displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://login.example.com/bjensen",
  "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}, {"value": "babs@jensen.org", "type": "home"}],
  "addresses": [{"streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA", "postalCode": "91608", "country": "USA", "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA", "type": "work"}],
  "phoneNumbers": [{"value": "555-555-5555", "type": "work"}, {"value": "555-555-4444", "type": "mobile"}],
  "ims": [{"value": "someaimhandle", "type": "aim"}],
  "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"}],
  "userType": "Employee", "title": "Tour Guide", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "America/Los_Angeles",
  "active": true, "password": "t1meMa$heen",
  "groups": [{"value": "e9e30dba-f08f-4109-8486-d5c6a331660a", "display": "Tour Guides"}],
  "x509Certificates": [{"value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAw"}],
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
    "employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios", "division": "Theme Park", "department": "Tour Operations",
    "manager": {"value": "nobody@example.com", "$ref": "../Users/26118915", "displayName": "John Smith"}},
  "meta": {"resourceType": "User", "created": "2010-01-23T04:56:22Z", "version": "W/\"3694e05e9dff591\""}
}`

func TestUserLife(t *testing.T) {
	o := inMemory(t)
	made := o.must(http.StatusCreated, "POST", "/Users", enterpriseUser)
	id := made.id()
	if !strings.HasPrefix(id, "us_") || made.header.Get("Location") != base+"/scim/v2/Users/"+id || made.header.Get("ETag") != `W/"1"` {
		t.Errorf("made %s with %v", id, made.header)
	}
	got := o.must(http.StatusOK, "GET", "/Users/"+id, nil)
	if diff := cmp.Diff(made.body, got.body); diff != "" {
		t.Errorf("what was answered and what is there:\n%s", diff)
	}
	if strings.Contains(got.text, "t1meMa$heen") || got.at("groups") != nil || got.at("meta", "created") == "2010-01-23T04:56:22Z" ||
		strings.Contains(got.text, "John Smith") {
		t.Errorf("kept what clients do not write: %s", got.text)
	}
	for path, want := range map[string]any{
		"userName": "bjensen@example.com", "nickName": "Babs", "externalId": "701984", "active": true,
	} {
		if got.at(path) != want {
			t.Errorf("%s is %v, want %v", path, got.at(path), want)
		}
	}
	if got.at("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "manager", "value") != "nobody@example.com" || got.at("addresses", 0, "locality") != "Hollywood" {
		t.Errorf("lost something: %s", got.text)
	}
	p := o.profile(id)
	want := map[string]string{"db_user": "bjensen@example.com", "mail": "bjensen@example.com", "team": "Tour Operations"}
	if p.Name != "Babs Jensen" || cmp.Diff(want, p.Attributes) != "" || p.ID.Issuer != "okta" || !p.GoneAt.IsZero() {
		t.Errorf("the directory has %+v", p)
	}

	// A PUT replaces all but active; a PUT of the same writes nothing.
	again := o.must(http.StatusOK, "PUT", "/Users/"+id, got.text)
	if again.header.Get("ETag") != `W/"1"` {
		t.Errorf("a PUT of what is there makes %s", again.header.Get("ETag"))
	}
	o.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`))
	if gone := o.profile(id); gone.GoneAt.IsZero() {
		t.Error("who is not active is still there")
	}
	short := o.must(http.StatusOK, "PUT", "/Users/"+id, `{"userName":"babs"}`)
	if short.at("active") != false || short.at("emails") != nil || o.profile(id).GoneAt.IsZero() {
		t.Errorf("a PUT without active brings somebody back: %s", short.text)
	}
	o.must(http.StatusOK, "PUT", "/Users/"+id, `{"userName":"babs","active":true}`)
	if back := o.profile(id); !back.GoneAt.IsZero() || back.Attributes["db_user"] != "babs" || back.Attributes["mail"] != "" {
		t.Errorf("who is back is %+v", back)
	}
	o.must(http.StatusNoContent, "DELETE", "/Users/"+id, nil)
	if o.profile(id).GoneAt.IsZero() {
		t.Error("who is deleted is still there")
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		o.wantError(o.call(method, "/Users/"+id, `{"userName":"babs"}`), http.StatusNotFound, "")
	}
	if o.user("babs") == id {
		t.Error("an id was given twice")
	}
	wantKinds := []string{
		"directory.user_changed", "directory.user_changed", "directory.user_changed", "directory.user_created", "directory.user_created",
		"directory.user_deleted", "principal.added", "principal.added", "principal.gone", "principal.gone", "principal.returned",
	}
	if kinds := o.ledger.kinds(); !slices.Equal(kinds, wantKinds) {
		t.Errorf("the log has %v", kinds)
	}
}

func TestUserUniqueness(t *testing.T) {
	o := inMemory(t)
	first, second := o.user("Ada"), o.user("bo")
	o.wantError(o.call("POST", "/Users", `{"userName":"aDA"}`), http.StatusConflict, "uniqueness")
	o.wantError(o.call("PATCH", "/Users/"+second, patch(`{"op":"replace","path":"userName","value":"ADA"}`)), http.StatusConflict, "uniqueness")
	o.must(http.StatusOK, "PATCH", "/Users/"+first, patch(`{"op":"replace","path":"userName","value":"ADA"}`))
	entra := *o
	entra.token = strings.ToUpper(token)
	entra.user("ada")
	entra.wantError(entra.call("GET", "/Users/"+first, nil), http.StatusNotFound, "")
	if got := entra.must(http.StatusOK, "GET", "/Users", nil); got.at("totalResults") != 1.0 {
		t.Errorf("a source sees what is another's: %s", got.text)
	}
}

func TestRefusedUsers(t *testing.T) {
	o := inMemory(t)
	id := o.user("ada")
	for name, c := range map[string]struct{ body, scimType string }{
		"no name":           {`{"displayName":"Ada"}`, "invalidValue"},
		"empty name":        {`{"userName":" "}`, "invalidValue"},
		"line in the name":  {`{"userName":"a\nb"}`, "invalidValue"},
		"NUL":               {`{"userName":"a","title":"a\u0000"}`, "invalidValue"},
		"long name":         {`{"userName":"` + strings.Repeat("x", 256) + `"}`, "invalidValue"},
		"long text":         {`{"userName":"x","title":"` + strings.Repeat("x", 9000) + `"}`, "invalidValue"},
		"long attribute":    {`{"userName":"x","emails":[{"type":"work","value":"` + strings.Repeat("x", 2000) + `"}]}`, "invalidValue"},
		"number":            {`{"userName":7}`, "invalidValue"},
		"active":            {`{"userName":"x","active":"perhaps"}`, "invalidValue"},
		"two primaries":     {`{"userName":"x","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, "invalidValue"},
		"many values":       {`{"userName":"x","emails":[` + strings.Repeat(`{"value":"a"},`, 300) + `{"value":"b"}]}`, "tooMany"},
		"two cases":         {`{"userName":"x","username":"y"}`, "invalidSyntax"},
		"no JSON":           {`{"userName":`, "invalidSyntax"},
		"two documents":     {`{"userName":"x"}{}`, "invalidSyntax"},
		"a list":            {`[]`, "invalidSyntax"},
		"null":              {`null`, "invalidSyntax"},
		"name is no object": {`{"userName":"x","name":7}`, "invalidValue"},
	} {
		t.Run(name, func(t *testing.T) {
			for method, address := range map[string]string{"POST": "/Users", "PUT": "/Users/" + id} {
				o.wantError(o.call(method, address, c.body), http.StatusBadRequest, c.scimType)
			}
		})
	}
	if got := o.must(http.StatusOK, "GET", "/Users", nil); got.at("totalResults") != 1.0 || got.at("Resources", 0, "meta", "version") != `W/"1"` {
		t.Errorf("something was written: %s", got.text)
	}
	o.wantError(o.call("POST", "/Users", `{"userName":"`+strings.Repeat("x", 1<<20)+`"}`), http.StatusRequestEntityTooLarge, "")
	o.wantError(o.call("POST", "/Users", `{"userName":"x"}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "")
	o.must(http.StatusCreated, "POST", "/Users", `{"userName":"x"}`, "Content-Type", "application/json; charset=utf-8")
}

// What somebody is called is shown to who reviews their requests: a name that would change how what follows it is shown is no name.
func TestNamesThatCannotBeShown(t *testing.T) {
	o := inMemory(t)
	for body, want := range map[string]string{
		`{"userName":"a","displayName":"Ada","name":{"formatted":"Ada L."}}`:                           "Ada",
		`{"userName":"b","displayName":"Ada\u202e","name":{"formatted":"Ada L."}}`:                     "Ada L.",
		`{"userName":"c","displayName":"Ada\nBo","name":{"givenName":"Ada","familyName":"\u001b[2J"}}`: "c",
		`{"userName":"d\u2066"}`: "",
	} {
		if p := o.profile(o.must(http.StatusCreated, "POST", "/Users", body).id()); p.Name != want {
			t.Errorf("%s is called %q, want %q", body, p.Name, want)
		}
	}
}

// A manager is a user by id or by user name, and nobody else.
func TestManager(t *testing.T) {
	o := inMemory(t)
	boss := o.user("Boss@acme.example")
	manager := func(named string) string {
		t.Helper()
		o.registrar.told = nil
		o.must(http.StatusOK, "PATCH", "/Users/"+o.user(fmt.Sprintf("for %x", named)), patch(
			`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"`+named+`"}`))
		return o.registrar.told[len(o.registrar.told)-1].Manager
	}
	for named, want := range map[string]string{boss: boss, "boss@ACME.example": boss, "somebody": "", strings.ToUpper(boss): ""} {
		if got := manager(named); got != want {
			t.Errorf("the manager %s is %q, want %q", named, got, want)
		}
	}
}
