package scim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/store/memstore"
)

func TestToken(t *testing.T) {
	clock := &stopped{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	o := newOffice(t, memstore.New(clock), clock)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer " + token + "x", "Basic " + token, token, "Bearer " + strings.ToUpper(token) + " "} {
		got := o.call("GET", "/Users", nil, "Authorization", header)
		o.wantError(got, http.StatusUnauthorized, "")
		if got.header.Get("WWW-Authenticate") == "" || strings.Contains(got.text, token) {
			t.Errorf("%q is answered %s", header, got.text)
		}
	}
	// Wrong tokens are slowed down; the right one is not.
	slowed := 0
	for range 30 {
		if got := o.call("GET", "/Nowhere", nil, "Authorization", "Bearer wrong"); got.status == http.StatusTooManyRequests {
			slowed++
			if got.header.Get("Retry-After") == "" {
				t.Error("nobody says when to try again")
			}
		}
	}
	if slowed != 17 {
		t.Errorf("%d of 30 were slowed down", slowed)
	}
	o.must(http.StatusOK, "GET", "/Users", nil, "Authorization", "bearer "+token)
	clock.advance(3 * time.Second)
	for i, want := range []int{401, 401, 401, 429} {
		if got := o.call("GET", "/Users", nil, "Authorization", "Bearer wrong"); got.status != want {
			t.Errorf("try %d is answered %d", i, got.status)
		}
	}
	_, err := scim.NewSource(tenant, scim.SourceConfig{Name: "okta", Token: token[:31]})
	if access.KindOf(err) != access.KindMisconfigured || strings.Contains(err.Error(), token[:31]) {
		t.Errorf("a short token: %v", err)
	}
	_, err = scim.NewSource(tenant, scim.SourceConfig{Name: "okta", Token: token, Attributes: map[string]string{"x": "userNam"}})
	if access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("an attribute that no path leads to: %v", err)
	}
}

func TestConditions(t *testing.T) {
	o := inMemory(t)
	id := o.user("ada")
	got := o.must(http.StatusOK, "GET", "/Users/"+id, nil)
	tag := got.header.Get("ETag")
	if tag != got.at("meta", "version") {
		t.Errorf("the header has %s and the resource %s", tag, got.at("meta", "version"))
	}
	for header, want := range map[string]int{tag: 304, `"x", ` + tag: 304, "*": 304, `W/"0"`: 200, strings.TrimPrefix(tag, "W/"): 304} {
		if got := o.call("GET", "/Users/"+id, nil, "If-None-Match", header); got.status != want || want == 304 && got.text != "" {
			t.Errorf("If-None-Match: %s is answered %d %s", header, got.status, got.text)
		}
	}
	change := patch(`{"op":"replace","path":"title","value":"x"}`)
	o.wantError(o.call("PATCH", "/Users/"+id, change, "If-Match", `W/"9"`), http.StatusPreconditionFailed, "")
	o.wantError(o.call("PUT", "/Users/"+id, `{"userName":"x"}`, "If-Match", `"9"`), http.StatusPreconditionFailed, "")
	o.wantError(o.call("DELETE", "/Users/"+id, nil, "If-Match", `W/"0", W/"7"`), http.StatusPreconditionFailed, "")
	// Joining a group makes another representation, and nothing else to write.
	o.group("Platform", id)
	if got := o.must(http.StatusOK, "GET", "/Users/"+id, nil, "If-None-Match", tag); got.header.Get("ETag") == tag {
		t.Error("a member has the same ETag as before")
	}
	o.must(http.StatusOK, "PATCH", "/Users/"+id, change, "If-Match", tag)
	o.must(http.StatusNoContent, "DELETE", "/Users/"+id, nil, "If-Match", "*")
}

// A group of which a member was deleted is not what clients have read.
func TestConditionsAfterADeletion(t *testing.T) {
	onEach(t, func(t *testing.T, o *office) {
		ada := o.user("ada")
		id := o.group("Platform", ada)
		tag := o.must(http.StatusOK, "GET", "/Groups/"+id, nil).header.Get("ETag")
		o.must(http.StatusNoContent, "DELETE", "/Users/"+ada, nil)
		if got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil, "If-None-Match", tag); got.at("members") != nil {
			t.Errorf("the members are %v", got.at("members"))
		}
		o.wantError(o.call("PUT", "/Groups/"+id, `{"displayName":"Platform"}`, "If-Match", tag), http.StatusPreconditionFailed, "")
	})
}

// Of many who write what they have read, one wins each version.
func TestConcurrentWrites(t *testing.T) {
	onEach(t, func(t *testing.T, o *office) {
		id := o.user("ada")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 8 {
			wg.Go(func() {
				for range 10 {
					tag := o.call("GET", "/Users/"+id, nil).header.Get("ETag")
					if o.call("PATCH", "/Users/"+id, patch(fmt.Sprintf(`{"op":"add","path":"phoneNumbers","value":[{"value":"%d-%s"}]}`, i, strings.Trim(tag, `W/"`))), "If-Match", tag).status == http.StatusOK {
						mu.Lock()
						won++
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		got := o.must(http.StatusOK, "GET", "/Users/"+id, nil)
		if numbers := got.at("phoneNumbers").([]any); len(numbers) != won || got.header.Get("ETag") != fmt.Sprintf(`W/"%d"`, won+1) || won == 0 {
			t.Errorf("%d writes succeeded, and %d are there at %s", won, len(numbers), got.header.Get("ETag"))
		}
		// Without a condition, none is lost.
		group := o.group("Platform")
		users := make([]string, 16)
		for i := range users {
			users[i] = o.user(fmt.Sprint("user", i))
		}
		for _, user := range users {
			wg.Go(func() {
				o.call("PATCH", "/Groups/"+group, patch(`{"op":"add","path":"members","value":[{"value":"`+user+`"}]}`))
			})
		}
		wg.Wait()
		for _, user := range users {
			o.wantGroups(user, "Platform")
		}
	})
}

func TestSearch(t *testing.T) {
	onEach(t, func(t *testing.T, o *office) {
		var ids []string
		for i := range 25 {
			ids = append(ids, o.user(fmt.Sprintf("user%02d", i)))
		}
		o.group("Platform", ids[:3]...)
		for address, want := range map[string][3]float64{
			"/Users":                                {25, 1, 25},
			"/Users?startIndex=1&count=10":          {25, 1, 10},
			"/Users?startIndex=21&count=10":         {25, 21, 5},
			"/Users?startIndex=99":                  {25, 99, 0},
			"/Users?startIndex=-3&count=2":          {25, 1, 2},
			"/Users?count=0":                        {25, 1, 0},
			"/Users?count=-1":                       {25, 1, 0},
			"/Users?count=100000":                   {25, 1, 25},
			"/Users?filter=userName+sw+%22USER1%22": {10, 1, 10},
			"/Users?filter=userName+sw+%22user1%22&startIndex=4&count=3": {10, 4, 3},
			"/Users?filter=groups.display+eq+%22platform%22":             {3, 1, 3},
			"/Users?filter=groups+pr":                                    {3, 1, 3},
			"/Groups?filter=members.value+eq+%22" + ids[0] + "%22":       {1, 1, 1},
			"/Groups?filter=members+eq+%22" + ids[9] + "%22":             {0, 1, 0},
			"/?count=3":                                           {26, 1, 3},
			"/?startIndex=25&count=5":                             {26, 25, 2},
			"/?filter=userName+eq+%22user03%22":                   {1, 1, 1},
			"/?filter=meta.resourceType+eq+%22Group%22":           {1, 1, 1},
			"/Users?sortBy=userName&sortOrder=descending&count=1": {25, 1, 1},
		} {
			got := o.must(http.StatusOK, "GET", address, nil)
			list, _ := got.at("Resources").([]any)
			if got.at("totalResults") != want[0] || got.at("startIndex") != want[1] || got.at("itemsPerPage") != want[2] || len(list) != int(want[2]) {
				t.Errorf("%s has %v from %v, %v of them", address, got.at("totalResults"), got.at("startIndex"), got.at("itemsPerPage"))
			}
		}
		posted := o.must(http.StatusOK, "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"attributes":["userName","name.givenName"],"filter":"userName ew \"4\"","startIndex":2,"count":1}`)
		if posted.at("totalResults") != 3.0 || posted.at("Resources", 0, "userName") != "user14" || posted.at("Resources", 0, "meta") != nil || posted.at("Resources", 0, "id") == nil {
			t.Errorf("posted, it finds %s", posted.text)
		}
		for address, scimType := range map[string]string{
			"/Users?filter=userName": "invalidFilter", "/Users?filter=displayNam+eq+%22x%22": "invalidFilter", "/Users?count=x": "invalidValue",
			"/Users?attributes=id&excludedAttributes=name": "invalidValue", "/Users?filter=%zz": "invalidSyntax", "/?filter=nothing+pr": "invalidFilter",
			"/Users?filter=" + strings.Repeat("(", 40) + "userName+pr": "invalidFilter", "/Users?filter=" + url.QueryEscape(`userName eq "`+strings.Repeat("x", 4096)+`"`): "invalidFilter",
		} {
			o.wantError(o.call("GET", address, nil), http.StatusBadRequest, scimType)
		}
	})
}

// Every name of a page is there once, in one order.
func TestPages(t *testing.T) {
	o := inMemory(t)
	want := map[string]bool{}
	for i := range 23 {
		want[o.user(fmt.Sprint("user", i))] = true
	}
	for start := 1; start <= 23; start += 5 {
		got := o.must(http.StatusOK, "GET", fmt.Sprintf("/Users?startIndex=%d&count=5", start), nil)
		for i := range got.at("Resources").([]any) {
			delete(want, got.at("Resources", i, "id").(string))
		}
	}
	if len(want) > 0 {
		t.Errorf("no page has %v", want)
	}
	for i := range 200 {
		o.user(fmt.Sprint("more", i))
	}
	for query, most := range map[string]float64{"": 100, "?count=1000": 200, "?count=1000&filter=userName+pr": 200} {
		if got := o.must(http.StatusOK, "GET", "/Users"+query, nil); got.at("itemsPerPage") != most || got.at("totalResults") != 223.0 {
			t.Errorf("a page has %v of %v", got.at("itemsPerPage"), got.at("totalResults"))
		}
	}
}

func TestAttributes(t *testing.T) {
	o := inMemory(t)
	id := o.must(http.StatusCreated, "POST", "/Users", enterpriseUser).id()
	enterprise := "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for query, want := range map[string]string{
		"attributes=userName":                                         "id schemas userName",
		"attributes=USERNAME,active":                                  "active id schemas userName",
		"attributes=name.familyName":                                  "id name schemas",
		"attributes=" + enterprise + ":department":                    "id schemas " + enterprise,
		"attributes=nothing":                                          "id schemas",
		"attributes=urn:ietf:params:scim:schemas:core:2.0:User:title": "id schemas title",
		"excludedAttributes=emails,addresses,phoneNumbers,photos,ims,x509Certificates,name,nickName,id,schemas,meta,profileUrl," + enterprise: "active displayName externalId id locale preferredLanguage schemas timezone title userName userType",
	} {
		got := o.must(http.StatusOK, "GET", "/Users/"+id+"?"+query, nil)
		var names []string
		for name := range got.body {
			names = append(names, name)
		}
		if strings.Join(slices.Sorted(slices.Values(names)), " ") != want {
			t.Errorf("%s shows %v", query, names)
		}
	}
	got := o.must(http.StatusOK, "GET", "/Users/"+id+"?excludedAttributes=emails.type,name.formatted,"+enterprise+":manager", nil)
	if got.at("emails", 0, "type") != nil || got.at("emails", 0, "value") == nil || got.at("name", "formatted") != nil || got.at(enterprise, "manager") != nil {
		t.Errorf("shown is %s", got.text)
	}
}

func TestDiscovery(t *testing.T) {
	o := inMemory(t)
	if got := o.must(http.StatusOK, "GET", "/ServiceProviderConfig", nil); got.at("patch", "supported") != true || got.at("bulk", "supported") != false ||
		got.at("filter", "maxResults") != 200.0 || got.at("authenticationSchemes", 0, "type") != "oauthbearertoken" {
		t.Errorf("the server can %s", got.text)
	}
	types := o.must(http.StatusOK, "GET", "/ResourceTypes", nil)
	if types.at("totalResults") != 2.0 || types.at("Resources", 0, "schemaExtensions", 0, "required") != false {
		t.Errorf("the types are %s", types.text)
	}
	schemas := o.must(http.StatusOK, "GET", "/Schemas", nil)
	for i := range schemas.at("Resources").([]any) {
		id := schemas.at("Resources", i, "id").(string)
		if one := o.must(http.StatusOK, "GET", "/Schemas/"+id, nil); one.at("name") != schemas.at("Resources", i, "name") {
			t.Errorf("%s is %s", id, one.text)
		}
	}
	if got := o.must(http.StatusOK, "GET", "/ResourceTypes/User", nil); got.at("endpoint") != "/Users" {
		t.Errorf("the type is %s", got.text)
	}
	for address, want := range map[string]int{
		"/Schemas/urn:x": 404, "/Nothing": 404, "/Me": 501, "/Bulk": 501, "/Schemas?filter=id+pr": 403, "/Users/us_0": 404, "/Users/" + strings.Repeat("x", 500): 404,
	} {
		o.wantError(o.call("GET", address, nil), want, "")
	}
	o.wantError(o.call("POST", "/Users/us_0", `{}`), http.StatusNotFound, "")
}

// A caller who waits behind others and goes away takes no place.
func TestCancelled(t *testing.T) {
	o := inMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", scim.Prefix+"/Users", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	o.server.ServeHTTP(w, r)
	if w.Code < 500 {
		t.Errorf("who has gone away is answered %d", w.Code)
	}
	if got := o.server.Route(r); got != "GET "+scim.Prefix+"/Users" {
		t.Errorf("the route is %q", got)
	}
}
