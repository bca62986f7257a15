package scim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/store"
)

func TestGroupLife(t *testing.T) {
	o := inMemory(t)
	ada, bo, cy := o.user("ada"), o.user("bo"), o.user("cy")
	id := o.group("Platform", ada, bo)
	o.wantGroups(ada, "Platform")
	got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil)
	if got.at("members", 1, "value") != bo || got.at("members", 1, "$ref") != base+"/scim/v2/Users/"+bo || got.at("members", 1, "type") != "User" {
		t.Errorf("the group is %s", got.text)
	}
	if user := o.must(http.StatusOK, "GET", "/Users/"+ada, nil); user.at("groups", 0, "value") != id || user.at("groups", 0, "display") != "Platform" {
		t.Errorf("the member is %s", user.text)
	}
	// Renamed, its members are in a group of another name.
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+id, patch(`{"op":"replace","path":"displayName","value":"platform"}`))
	o.wantGroups(bo, "platform")
	o.must(http.StatusOK, "PUT", "/Groups/"+id, fmt.Sprintf(`{"displayName":"platform","members":[{"value":%q},{"value":%q}]}`, bo, cy))
	o.wantGroups(ada)
	o.wantGroups(cy, "platform")
	// A member who is deleted is one no more.
	o.must(http.StatusNoContent, "DELETE", "/Users/"+cy, nil)
	if got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil); len(got.at("members").([]any)) != 1 {
		t.Errorf("the group is %s", got.text)
	}
	o.must(http.StatusNoContent, "DELETE", "/Groups/"+id, nil)
	o.wantGroups(bo)
	o.wantError(o.call("GET", "/Groups/"+id, nil), http.StatusNotFound, "")
}

// A change under the core schema's name is one of the group's members too.
func TestGroupUnderTheCoreSchema(t *testing.T) {
	o := inMemory(t)
	ada, bo := o.user("ada"), o.user("bo")
	id := o.group("Platform", ada)
	under := func(op, value string) {
		t.Helper()
		body := patch(fmt.Sprintf(`{"op":%q,"value":{"URN:ietf:params:scim:schemas:core:2.0:Group":%s}}`, op, value))
		o.must(http.StatusNoContent, "PATCH", "/Groups/"+id, body)
	}
	under("replace", fmt.Sprintf(`{"displayName":"platform","members":[{"value":%q}]}`, bo))
	o.wantGroups(ada)
	o.wantGroups(bo, "platform")
	under("replace", `{"members":[]}`)
	o.wantGroups(bo)
	if got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil); got.at("members") != nil {
		t.Errorf("the group is %s", got.text)
	}
}

func TestRefusedGroups(t *testing.T) {
	o := inMemory(t)
	ada := o.user("ada")
	id, other := o.group("Platform", ada), o.group("Leads")
	refused := func(name, body string, status int, scimType string) {
		t.Helper()
		o.wantError(o.call("POST", "/Groups", body), status, scimType)
		o.wantError(o.call("PUT", "/Groups/"+other, body), status, scimType)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	refused("a second of its name", `{"displayName":"PLATFORM"}`, http.StatusConflict, "uniqueness")
	refused("no name", `{}`, http.StatusBadRequest, "invalidValue")
	refused("an unprintable name", `{"displayName":"a\u200bb"}`, http.StatusBadRequest, "invalidValue")
	refused("a name with a space at its end", `{"displayName":"leads "}`, http.StatusBadRequest, "invalidValue")
	refused("a group in a group", fmt.Sprintf(`{"displayName":"x","members":[{"value":%q}]}`, id), http.StatusBadRequest, "invalidValue")
	refused("what is called a group", fmt.Sprintf(`{"displayName":"x","members":[{"value":%q,"type":"Group"}]}`, ada), http.StatusBadRequest, "invalidValue")
	refused("a stranger", `{"displayName":"x","members":[{"value":"us_0"}]}`, http.StatusBadRequest, "invalidValue")
	refused("no value", `{"displayName":"x","members":[{"display":"ada"}, {"$ref":"x"}]}`, http.StatusBadRequest, "invalidValue")
	for op, scimType := range map[string]string{
		`{"op":"replace","path":"members[value eq \"` + ada + `\"].value","value":"x"}`: "mutability",
		`{"op":"add","path":"members[value eq \"` + ada + `\"]","value":{"value":"x"}}`: "mutability",
		`{"op":"add","path":"members","value":[{"value":"us_0"}]}`:                      "invalidValue",
		`{"op":"remove"}`: "noTarget", `{"op":"move","path":"members"}`: "invalidSyntax",
		`{"op":"add","path":"member","value":[]}`:         "invalidPath",
		`{"op":"remove","path":"members[valu eq \"x\"]"}`: "invalidPath",
		`{"op":"replace","path":"id","value":"x"}`:        "mutability",
		`{"op":"remove","path":"displayName"}`:            "invalidValue",
	} {
		o.wantError(o.call("PATCH", "/Groups/"+id, patch(op)), http.StatusBadRequest, scimType)
	}
	o.wantGroups(ada, "Platform")
	if got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil); got.at("meta", "version") != `W/"1"` {
		t.Errorf("something was written: %s", got.text)
	}
}

// Every way to say who is in a group ends in the same members.
func TestMemberPatches(t *testing.T) {
	for name, c := range map[string]struct {
		operations []string
		want       string
	}{
		"add":                      {[]string{`{"op":"add","path":"members","value":[{"value":"<C>"},{"value":"<A>"}]}`}, "A B C"},
		"add one":                  {[]string{`{"op":"add","path":"members","value":{"value":"<C>"}}`}, "A B C"},
		"add texts":                {[]string{`{"op":"add","path":"members","value":["<C>"]}`}, "A B C"},
		"add without a path":       {[]string{`{"op":"add","value":{"members":[{"value":"<C>"}],"externalId":"x"}}`}, "A B C"},
		"by the schema's name":     {[]string{`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":[{"value":"<C>"}]}`}, "A B C"},
		"remove by filter":         {[]string{`{"op":"remove","path":"members[value eq \"<A>\"]"}`}, "B"},
		"remove by value":          {[]string{`{"op":"Remove","path":"members","value":[{"value":"<A>"}]}`}, "B"},
		"remove one of either":     {[]string{`{"op":"remove","path":"members[value eq \"<A>\" or value eq \"<C>\"]"}`}, "B"},
		"remove all but one":       {[]string{`{"op":"remove","path":"members[not (value eq \"<A>\")]"}`}, "A"},
		"remove users":             {[]string{`{"op":"remove","path":"members[type eq \"user\"]"}`}, ""},
		"remove nobody":            {[]string{`{"op":"remove","path":"members[type eq \"Group\"]"}`}, "A B"},
		"remove a stranger":        {[]string{`{"op":"remove","path":"members[value eq \"us_0\"]"}`}, "A B"},
		"remove all":               {[]string{`{"op":"remove","path":"members"}`}, ""},
		"replace":                  {[]string{`{"op":"replace","path":"members","value":[{"value":"<B>"},{"value":"<C>"}]}`}, "B C"},
		"replace by nobody":        {[]string{`{"op":"replace","path":"members","value":[]}`}, ""},
		"remove, then add":         {[]string{`{"op":"remove","path":"members[value eq \"<A>\"]"}`, `{"op":"add","path":"members","value":[{"value":"<A>"}]}`}, "A B"},
		"add, then remove":         {[]string{`{"op":"add","path":"members","value":[{"value":"<C>"}]}`, `{"op":"remove","path":"members[value eq \"<C>\"]"}`}, "A B"},
		"add, then remove others":  {[]string{`{"op":"add","path":"members","value":[{"value":"<C>"}]}`, `{"op":"remove","path":"members[value ne \"<C>\"]"}`}, "C"},
		"remove all, then add":     {[]string{`{"op":"remove","path":"members"}`, `{"op":"add","path":"members","value":[{"value":"<C>"}]}`}, "C"},
		"clear, then remove users": {[]string{`{"op":"remove","path":"members"}`, `{"op":"remove","path":"members[type eq \"User\"]"}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := inMemory(t)
			a, b, c3 := o.user("a"), o.user("b"), o.user("c")
			ids := strings.NewReplacer("<A>", a, "<B>", b, "<C>", c3)
			id := o.group("g", a, b)
			o.must(http.StatusNoContent, "PATCH", "/Groups/"+id, ids.Replace(patch(c.operations...)))
			got := o.must(http.StatusOK, "GET", "/Groups/"+id, nil)
			members, _ := got.at("members").([]any)
			names := make([]string, len(members))
			for i := range members {
				names[i] = strings.NewReplacer(a, "A", b, "B", c3, "C").Replace(got.at("members", i, "value").(string))
			}
			if strings.Join(names, " ") != c.want {
				t.Errorf("the members are %v, want %s", names, c.want)
			}
			for user, name := range map[string]string{a: "A", b: "B", c3: "C"} {
				if told := len(o.profile(user).Groups) == 1; told != slices.Contains(names, name) {
					t.Errorf("the directory has %s in the group: %t", name, told)
				}
			}
		})
	}
}

// A group of more members than one transaction tells of: the others wait in the queue, those first who leave, and a process
// that comes later tells of them.
func TestLargeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t)
		users := make([]string, 450)
		for i := range users {
			users[i] = o.user(fmt.Sprint("user", i))
		}
		id := o.group("Everybody", users...)
		if n := waiting(t, o); n != 350 {
			t.Fatalf("%d wait to be told of", n)
		}
		// Some leave whom the directory has in the group: it is told of them before those who wait since they joined.
		time.Sleep(time.Second)
		leavers := users[:50]
		o.wantGroups(leavers[49], "Everybody")
		operations := make([]string, len(leavers))
		for i, user := range leavers {
			operations[i] = `{"op":"remove","path":"members[value eq \"` + user + `\"]"}`
		}
		o.must(http.StatusNoContent, "PATCH", "/Groups/"+id, patch(operations...))
		for _, user := range leavers {
			o.wantGroups(user)
		}
		// The process is gone; the next tells of all, though the store fails at first.
		fails := 3
		o.ledger.fail = func(name store.TxName) error {
			if name == "scim-stale" && fails > 0 {
				fails--
				return errors.New("the store is away")
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.server.Run(ctx) }()
		for range 5 {
			<-time.After(6 * time.Second)
		}
		synctest.Wait()
		if n := waiting(t, o); n != 0 || fails != 0 {
			t.Errorf("%d wait to be told of; the store was away %d times too few", n, fails)
		}
		for _, user := range users[50:] {
			o.wantGroups(user, "Everybody")
		}
		// While it runs, a change wakes it.
		o.must(http.StatusNoContent, "DELETE", "/Groups/"+id, nil)
		synctest.Wait()
		for _, user := range users {
			o.wantGroups(user)
		}
		cancel()
		<-done
	})
}

func waiting(t *testing.T, o *office) (n int) {
	t.Helper()
	err := o.ledger.View(context.Background(), func(tx store.Tx) error {
		list, err := tx.StaleUsers().Next(store.Source{Tenant: tenant, Name: "okta"}, 1000)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// One who is not active stays gone, whatever happens to their groups.
func TestGroupsOfWhoIsGone(t *testing.T) {
	o := inMemory(t)
	ada := o.user("ada")
	o.must(http.StatusOK, "PATCH", "/Users/"+ada, patch(`{"op":"Replace","path":"active","value":"False"}`))
	id := o.group("Platform", ada)
	o.must(http.StatusNoContent, "PATCH", "/Groups/"+id, patch(`{"op":"Replace","path":"displayName","value":"Platform 2"}`))
	if p := o.profile(ada); p.GoneAt.IsZero() || len(p.Groups) > 0 {
		t.Errorf("the directory has %+v", p)
	}
	o.must(http.StatusOK, "PATCH", "/Users/"+ada, patch(`{"op":"Replace","path":"active","value":"True"}`))
	o.wantGroups(ada, "Platform 2")
	kinds := o.ledger.kinds()
	if want := []string{"directory.group_changed", "directory.group_created"}; !slices.Contains(kinds, want[0]) || !slices.Contains(kinds, want[1]) {
		t.Errorf("the log has %v", kinds)
	}
}
