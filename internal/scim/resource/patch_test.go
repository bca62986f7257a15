package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPatch(t *testing.T) {
	const before = `{"userName":"u","title":"t","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"m"}}}`
	for name, c := range map[string]struct{ operations, want string }{
		"replace a text":          {`{"op":"replace","path":"title","value":"x"}`, `{"title":"x"}`},
		"replace by nothing":      {`{"op":"replace","path":"title","value":null}`, `{"title":null}`},
		"add nothing":             {`{"op":"add","path":"title","value":null}`, `{}`},
		"remove a text":           {`{"op":"remove","path":"title"}`, `{"title":null}`},
		"part of a name":          {`{"op":"replace","path":"name.givenName","value":"X"}`, `{"name":{"givenName":"X","familyName":"F"}}`},
		"parts of a name":         {`{"op":"replace","path":"name","value":{"givenName":"X"}}`, `{"name":{"givenName":"X","familyName":"F"}}`},
		"parts by nothing":        {`{"op":"replace","path":"name","value":{"GivenName":null}}`, `{"name":{"familyName":"F"}}`},
		"all parts by nothing":    {`{"op":"replace","path":"name","value":{"givenName":null,"familyName":null}}`, `{"name":null}`},
		"one's part by nothing":   {`{"op":"replace","path":"emails[type eq \"home\"]","value":{"type":null}}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x"}]}`},
		"a manager by nobody":     {`{"op":"replace","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager":{"value":null}}}`, `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}`},
		"add parts of nothing":    {`{"op":"add","path":"name","value":{"givenName":null}}`, `{}`},
		"remove parts":            {`{"op":"remove","path":"name.givenName"},{"op":"remove","path":"name.familyName"}`, `{"name":null}`},
		"a new part":              {`{"op":"add","path":"nickName","value":"N"}`, `{"nickName":"N"}`},
		"add a value":             {`{"op":"add","path":"emails","value":[{"value":"o@x","type":"other"}]}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"},{"value":"o@x","type":"other"}]}`},
		"add a value twice":       {`{"op":"add","path":"emails","value":[{"value":"h@x","type":"home"}]}`, `{}`},
		"add another primary":     {`{"op":"add","path":"emails","value":{"value":"o@x","primary":"True"}}`, `{"emails":[{"value":"w@x","type":"work"},{"value":"h@x","type":"home"},{"value":"o@x","primary":true}]}`},
		"another becomes it":      {`{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`, `{"emails":[{"value":"w@x","type":"work"},{"value":"h@x","type":"home","primary":true}]}`},
		"replace all values":      {`{"op":"replace","path":"emails","value":[{"value":"o@x"}]}`, `{"emails":[{"value":"o@x"}]}`},
		"replace one's part":      {`{"op":"replace","path":"emails[type eq \"home\"].value","value":"X"}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"X","type":"home"}]}`},
		"replace one":             {`{"op":"replace","path":"emails[value ew \"X\" and type eq \"home\"]","value":{"value":"X"}}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"X","type":"home"}]}`},
		"replace a part of all":   {`{"op":"replace","path":"emails.type","value":"other"}`, `{"emails":[{"value":"w@x","type":"other","primary":true},{"value":"h@x","type":"other"}]}`},
		"remove one":              {`{"op":"remove","path":"emails[primary eq true]"}`, `{"emails":[{"value":"h@x","type":"home"}]}`},
		"remove a part of one":    {`{"op":"remove","path":"emails[type eq \"home\"].type"}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x"}]}`},
		"remove by value":         {`{"op":"remove","path":"emails","value":[{"value":"w@x"}]}`, `{"emails":[{"value":"h@x","type":"home"}]}`},
		"remove all":              {`{"op":"remove","path":"emails"}`, `{"emails":null}`},
		"make one":                {`{"op":"add","path":"emails[type eq \"other\"].value","value":"o@x"}`, `{"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"},{"value":"o@x","type":"other"}]}`},
		"make the first":          {`{"op":"add","path":"ims.value","value":"i"}`, `{"ims":[{"value":"i"}]}`},
		"extension":               {`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter","value":"C"}`, `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","costCenter":"C","manager":{"value":"m"}}}`},
		"extension as a whole":    {`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"department":"E"}}`, `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"E","manager":{"value":"m"}}}`},
		"extension in a value":    {`{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"n"}}}`, `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"n"}}}`},
		"remove an extension":     {`{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}`, `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":null}`},
		"what clients send along": {`{"op":"replace","value":{"id":"x","meta":{"version":"x"},"schemas":[],"groups":[],"unknown":1,"title":"x"}}`, `{"title":"x"}`},
		"under the core schema":   {`{"op":"replace","value":{"URN:ietf:params:scim:schemas:core:2.0:User":{"title":"x","active":false}}}`, `{"title":"x","active":false}`},
		"a password":              {`{"op":"replace","path":"password","value":"secret"}`, `{}`},
		"capitals":                {`{"OP":"REPLACE","Path":"TITLE","VALUE":"x"}`, `{"title":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := NewUser().Read([]byte(before))
			if err != nil {
				t.Fatal(err)
			}
			kept := doc.Clone()
			operations, err := ReadPatch([]byte(`{"operations":[` + c.operations + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := NewUser().Patch(doc, operations)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(doc, kept) {
				t.Error("the document that was patched has changed")
			}
			want := doc.Clone()
			var changes map[string]any
			if err := json.Unmarshal([]byte(c.want), &changes); err != nil {
				t.Fatal(err)
			}
			for name, value := range changes {
				want.assign(name, documents(value))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedPatches(t *testing.T) {
	for operations, want := range map[string]ErrorType{
		`{"op":"remove"}`: NoTarget, `{"op":"remove","value":{"title":"x"}}`: NoTarget, `{"op":"move","path":"title"}`: InvalidSyntax, `{"path":"title","value":"x"}`: InvalidSyntax, ``: InvalidSyntax,
		`{"op":"replace","path":"emails[type eq \"x\"].value","value":"x"}`: NoTarget, `{"op":"remove","path":"emails[type eq \"x\"]"}`: NoTarget,
		`{"op":"add","path":"emails[type ne \"work\"].value","value":"x"}`: NoTarget, `{"op":"replace","path":"nothing","value":"x"}`: InvalidPath, `{"op":"replace","path":"name.","value":"x"}`: InvalidPath,
		`{"op":"replace","path":"emails[","value":"x"}`: InvalidPath, `{"op":"replace","path":"title[value eq \"x\"]","value":"x"}`: InvalidPath, `{"op":"replace","path":"title x","value":"x"}`: InvalidPath,
		`{"op":"replace","path":"name[givenName eq \"x\"]","value":"x"}`: InvalidPath, `{"op":"replace","path":"id","value":"x"}`: Mutability, `{"op":"remove","path":"meta.version"}`: Mutability,
		`{"op":"add","path":"groups","value":[{"value":"x"}]}`: Mutability, `{"op":"replace","path":"userName","value":""}`: InvalidValue, `{"op":"remove","path":"userName"}`: InvalidValue,
		`{"op":"replace","path":"title","value":7}`: InvalidValue, `{"op":"replace","path":"active","value":"x"}`: InvalidValue, `{"op":"replace","value":"x"}`: InvalidValue,
		`{"op":"add","path":"emails","value":[{"value":"a","primary":true},{"value":"b","primary":true}]}`: InvalidValue, `{"op":"add","value":{"title":"x","TITLE":"y"}}`: InvalidSyntax,
		`{"op":"replace","path":"name","value":[1]}`: InvalidValue, `{"op":"replace","path":7,"value":"x"}`: InvalidSyntax,
		strings.Repeat(`{"op":"remove","path":"title"},`, maxOperations) + `{"op":"remove","path":"title"}`: InvalidSyntax,
	} {
		doc, err := NewUser().Read([]byte(`{"userName":"u","title":"t","name":{"givenName":"G"},"emails":[{"value":"w@x","type":"work"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		list, err := ReadPatch([]byte(`{"Operations":[` + operations + `]}`))
		if err == nil {
			_, err = NewUser().Patch(doc, list)
		}
		var bad *Error
		if !errors.As(err, &bad) || bad.Type != want {
			t.Errorf("%.100s: %v, want %s", operations, err, want)
		}
	}
}

// Values are bounded at each operation, not only when all are done: each is compared with those that are there.
func TestPatchesAreBoundedOnTheWay(t *testing.T) {
	var one, other []any
	for i := range maxValues {
		one, other = append(one, fmt.Sprintf("one-%d", i)), append(other, fmt.Sprintf("other-%d", i))
	}
	_, err := NewUser().Patch(Document{"userName": "u"}, []Operation{
		{Op: "add", Path: "emails", Value: one}, {Op: "add", Path: "emails", Value: other}, {Op: "remove", Path: "emails"},
	})
	var bad *Error
	if !errors.As(err, &bad) || bad.Type != TooMany {
		t.Errorf("it is answered: %v", err)
	}
}

// A patch has a group looked through a few times, and takes out as many members by their ids as there may be operations.
func TestSelectionsAreBounded(t *testing.T) {
	looks := 0
	members := func() ([]string, error) {
		looks++
		return []string{"us_1"}, nil
	}
	for path, most := range map[string]int{`members[type eq "Group"]`: maxSelections, `members[not (value eq "us_1")]`: maxSelections, `members[value eq "us_2"]`: maxOperations} {
		for n, want := range map[int]bool{most: true, most + 1: most == maxOperations} {
			looks = 0
			_, _, err := NewGroup().PatchGroup(Document{"displayName": "g"}, slices.Repeat([]Operation{{Op: "remove", Path: path}}, n), members)
			if (err == nil) != want || looks > maxSelections {
				t.Errorf("%d times %s, looked through %d times: %v", n, path, looks, err)
			}
		}
	}
}

// drawUser draws a document with some of the attributes.
func drawUser(t *rapid.T, name string) Document {
	word := rapid.StringMatching(`[a-c]{1,2}`)
	doc := Document{"userName": "u"}
	for _, attribute := range []string{"title", "nickName", "displayName"} {
		if rapid.Bool().Draw(t, name+attribute) {
			doc[attribute] = word.Draw(t, name+attribute)
		}
	}
	if rapid.Bool().Draw(t, name+"name") {
		doc["name"] = Document{"givenName": word.Draw(t, name+"given"), "familyName": word.Draw(t, name+"family")}
	}
	var emails []any
	for _, kind := range []string{"work", "home", "other"} {
		if rapid.Bool().Draw(t, name+kind) {
			emails = append(emails, Document{"type": kind, "value": word.Draw(t, name+kind)})
		}
	}
	if len(emails) > 0 {
		doc["emails"] = emails
	}
	if rapid.Bool().Draw(t, name+"extension") {
		doc[EnterpriseSchema] = Document{"department": word.Draw(t, name+"department")}
	}
	return doc
}

// A sequence of patches, each about one attribute, in any order and form, ends in the document that a replacement would have
// made.
func TestPatchesEqualReplacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := NewUser()
		from, to := drawUser(t, "from "), drawUser(t, "to ")
		var operations []Operation
		names := slices.Sorted(maps.Keys(from))
		for name := range to {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range rapid.Permutation(names).Draw(t, "order") {
			operations = append(operations, drawChange(t, name, from[name], to[name])...)
		}
		got, err := user.Patch(from, operations)
		if err != nil {
			t.Fatalf("%v: %v", operations, err)
		}
		order := func(v any) any { return sortedEmails(v.(Document).Clone()) }
		if diff := cmp.Diff(order(to), order(got)); diff != "" {
			t.Errorf("%v:\n%s", operations, diff)
		}
	})
}

// drawChange draws operations that make one value of another.
func drawChange(t *rapid.T, name string, from, to any) []Operation {
	if to == nil {
		return []Operation{{Op: "remove", Path: name}}
	}
	plainTo := plainOf(to)
	switch rapid.SampledFrom([]string{"path", "value", "anew", "parts"}).Draw(t, "form of "+name) {
	case "value":
		if name == "emails" || from == nil {
			return []Operation{{Op: "replace", Value: map[string]any{name: plainTo}}}
		}
	case "anew":
		return []Operation{{Op: "remove", Path: name}, {Op: "add", Path: name, Value: plainTo}}
	case "parts":
		if name == "emails" {
			return emailChanges(from, to)
		}
	}
	return []Operation{{Op: "replace", Path: name, Value: plainTo}}
}

// emailChanges changes, adds and removes addresses one by one.
func emailChanges(from, to any) (list []Operation) {
	before, _ := from.([]any)
	after, _ := to.([]any)
	kinds := func(values []any) map[string]string {
		m := map[string]string{}
		for _, v := range values {
			m[v.(Document).Text("type")] = v.(Document).Text("value")
		}
		return m
	}
	was, is := kinds(before), kinds(after)
	for _, kind := range []string{"work", "home", "other"} {
		path := `emails[type eq "` + kind + `"]`
		_, had := was[kind]
		value, has := is[kind]
		switch {
		case had && !has:
			list = append(list, Operation{Op: "remove", Path: path})
		case had:
			list = append(list, Operation{Op: "replace", Path: path + ".value", Value: value})
		case has:
			list = append(list, Operation{Op: "add", Path: path + ".value", Value: value})
		}
	}
	return list
}

// plainOf is a value as JSON would have it.
func plainOf(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		panic(err)
	}
	return plain
}

func sortedEmails(doc Document) Document {
	emails, _ := doc["emails"].([]any)
	slices.SortFunc(emails, func(a, b any) int { return strings.Compare(a.(Document).Text("type"), b.(Document).Text("type")) })
	return doc
}

// FuzzPath: whatever a client sends as a path is refused as one, or changes nothing but what it says.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"userName", "name.familyName", `emails[type eq "work"].value`, `emails[type eq "x" and value pr]`, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "emails[", "members", "active", `addresses[not (type eq "work")]`,
	} {
		for _, op := range []string{"add", "replace", "remove"} {
			f.Add(op, seed, `"x"`)
		}
	}
	f.Add("add", "emails", `[{"value":"a","primary":true}]`)
	f.Add("replace", "", `{"name.givenName":"x","active":"False"}`)
	user, doc := NewUser(), babs(f)
	delete(doc, "id")
	delete(doc, "meta")
	delete(doc, "schemas")
	f.Fuzz(func(t *testing.T, op, path, value string) {
		body, err := json.Marshal(map[string]any{"Operations": []any{map[string]any{"op": op, "path": path, "value": json.RawMessage(value)}}})
		if err != nil {
			return
		}
		kept := doc.Clone()
		operations, err := ReadPatch(body)
		if err != nil {
			return
		}
		got, err := user.Patch(doc, operations)
		if !reflect.DeepEqual(doc, kept) {
			t.Fatal("the document that was patched has changed")
		}
		var bad *Error
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatalf("%v is no error of a patch", err)
			}
			return
		}
		// What comes out is a document that could have been written as it is, and patched again ends the same.
		text, err := got.Store()
		if err != nil {
			t.Fatal(err)
		}
		again, err := user.Read(text)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%s cannot be written as it is: %v\n%s", text, err, cmp.Diff(got, again))
		}
		stored, err := Stored(text)
		if err != nil || !reflect.DeepEqual(stored, got) {
			t.Fatalf("%s is not read as it was kept: %v", text, err)
		}
	})
}
