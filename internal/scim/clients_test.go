package scim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The requests in this file have the forms that Okta's and Microsoft's own documentation shows. They were written from it and
// not recorded: developer.okta.com, "Okta and SCIM Version 2.0"; learn.microsoft.com, "Develop and plan provisioning for a
// SCIM endpoint" and "Known issues with SCIM 2.0 protocol compliance".

func TestOkta(t *testing.T) { onEach(t, okta) }

func okta(t *testing.T, o *office) {
	// Saving the integration.
	o.must(http.StatusOK, "GET", "/Users?startIndex=1&count=2", nil)
	o.must(http.StatusOK, "GET", "/Groups?startIndex=1&count=100", nil)
	// Assigning somebody: a probe, then a POST.
	probe := "/Users?filter=" + url.QueryEscape(`userName eq "test.user@okta.local"`) + "&startIndex=1&count=100"
	if got := o.must(http.StatusOK, "GET", probe, nil); got.at("totalResults") != 0.0 || !strings.Contains(got.text, `"Resources":[]`) {
		t.Errorf("nobody is %s", got.text)
	}
	made := o.must(http.StatusCreated, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local",
		"name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],
		"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`)
	id := made.id()
	if got := o.must(http.StatusOK, "GET", probe, nil); got.at("Resources", 0, "id") != id {
		t.Errorf("the probe finds %s", got.text)
	}
	// Changing them: GET, then PUT of what was answered with the change.
	o.must(http.StatusOK, "GET", "/Users/"+id, nil)
	put := o.must(http.StatusOK, "PUT", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"`+id+`","userName":"test.user@okta.local",
		"name":{"givenName":"Another","middleName":"Excited","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work","display":"test.user@okta.local"}],
		"active":true,"groups":[],"meta":{"resourceType":"User"}}`)
	if put.at("name", "middleName") != "Excited" || put.at("displayName") != nil {
		t.Errorf("replaced by %s", put.text)
	}
	// Pushing a group, with its members one way and then the other.
	group := o.must(http.StatusCreated, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Test SCIMv2","members":[]}`).id()
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+group, patch(`{"op":"replace","value":{"id":"`+group+`","displayName":"Test SCIMv2 0"}}`))
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+group, patch(
		`{"op":"remove","path":"members[value eq \"us_unknown\"]"}`, `{"op":"add","path":"members","value":[{"value":"`+id+`","display":"test.user@okta.local"}]}`))
	o.wantGroups(id, "Test SCIMv2 0")
	got := o.must(http.StatusOK, "PUT", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`+group+`","displayName":"Test SCIMv2 0","members":[{"value":"`+id+`","display":"test.user@okta.local"}]}`)
	if got.at("members", 0, "value") != id {
		t.Errorf("the group is %s", got.text)
	}
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+group, patch(`{"op":"replace","path":"members","value":[]}`))
	o.wantGroups(id)
	// Unassigning.
	off := o.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`))
	if off.at("active") != false || o.profile(id).GoneAt.IsZero() {
		t.Errorf("deactivated, it is %s", off.text)
	}
	o.must(http.StatusNoContent, "DELETE", "/Groups/"+group, nil)
}

func TestEntra(t *testing.T) { onEach(t, entra) }

func entra(t *testing.T, o *office) {
	// The tenant's URL may end in a flag, which every request then has.
	made := o.must(http.StatusCreated, "POST", "/Users?aadOptscim062020", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_00aa00aa","active":true,"emails":[{"primary":true,"type":"work","value":"Test_User@testuser.com"}],
		"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[]}`)
	id := made.id()
	for filter, want := range map[string]float64{
		`userName eq "test_user_00AA00AA"`: 1, `externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`: 1,
		`emails[type eq "work"].value eq "x"`: 0, `emails[type eq "work"].value eq "test_user@testuser.com"`: 1, `emails[type eq "home"].value pr`: 0, `emails[type eq "work" and value eq "TEST_USER@testuser.com"]`: 1,
		`userName eq "Test_User_00aa00aa" and active eq true`: 1, `externalId eq "0A21F0F2-8d2a-4f8e-bf98-7363c4aed4ef"`: 0,
	} {
		if got := o.must(http.StatusOK, "GET", "/Users?filter="+url.QueryEscape(filter), nil); got.at("totalResults") != want {
			t.Errorf("%s selects %v", filter, got.at("totalResults"))
		}
	}
	// Without the flag: capitals, booleans as texts, a member removed by value.
	changed := o.must(http.StatusOK, "PATCH", "/Users/"+id, patch(
		`{"op":"Replace","path":"displayName","value":"Pvlo"}`, `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"TestBcwqnm@test.microsoft.com"}`,
		`{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"555"}`, `{"op":"Replace","path":"name.givenName","value":"Gtfd"}`, `{"op":"Replace","path":"externalId","value":"Eqpj"}`,
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"Eqpj"}`,
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"`+id+`"}`, `{"op":"Add","path":"nickName","value":"Babs"}`))
	enterprise := "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	if changed.at("emails", 0, "value") != "TestBcwqnm@test.microsoft.com" || changed.at("emails", 0, "primary") != true || changed.at("name", "givenName") != "Gtfd" ||
		changed.at("phoneNumbers", 0, "type") != "mobile" || changed.at(enterprise, "employeeNumber") != "Eqpj" || changed.at(enterprise, "manager", "value") != id {
		t.Errorf("changed to %s", changed.text)
	}
	// With the flag: several attributes in one value, by their paths.
	changed = o.must(http.StatusOK, "PATCH", "/Users/"+id+"?aadOptscim062020", patch(`{"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom","name.familyName":"Unua","`+enterprise+`:employeeNumber":"Aklq"}}`))
	if changed.at("displayName") != "Bjfe" || changed.at("name", "familyName") != "Unua" || changed.at(enterprise, "employeeNumber") != "Aklq" {
		t.Errorf("changed to %s", changed.text)
	}
	group := o.must(http.StatusCreated, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
		"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"displayName","meta":{"resourceType":"Group"}}`).id()
	o.must(http.StatusOK, "GET", "/Groups/"+group+"?excludedAttributes=members", nil)
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+group, patch(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+id+`"}]}`))
	o.wantGroups(id, "displayName")
	for filter, want := range map[string]float64{`displayName eq "DISPLAYNAME"`: 1, `id eq "` + group + `" and members eq "` + id + `"`: 1, `id eq "` + group + `" and members eq "us_0"`: 0} {
		got := o.must(http.StatusOK, "GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(filter), nil)
		if got.at("totalResults") != want || got.at("Resources", 0, "members") != nil {
			t.Errorf("%s selects %s", filter, got.text)
		}
	}
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+group, patch(`{"op":"Remove","path":"members","value":[{"value":"`+id+`"}]}`))
	o.wantGroups(id)
	for _, off := range []string{`{"op":"Replace","path":"active","value":"False"}`, `{"op":"Replace","path":"active","value":false}`} {
		o.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"True"}`))
		if !o.profile(id).GoneAt.IsZero() {
			t.Error("who is active is gone")
		}
		o.must(http.StatusOK, "PATCH", "/Users/"+id, patch(off))
		if o.profile(id).GoneAt.IsZero() {
			t.Errorf("%s leaves them there", off)
		}
	}
	// Users who are not active are still found.
	if got := o.must(http.StatusOK, "GET", "/Users?filter="+url.QueryEscape(`userName eq "Test_User_00aa00aa"`), nil); got.at("totalResults") != 1.0 {
		t.Errorf("who is not active is not found: %s", got.text)
	}
	o.must(http.StatusNoContent, "DELETE", "/Users/"+id, nil)
	o.must(http.StatusNoContent, "DELETE", "/Groups/"+group, nil)
}
