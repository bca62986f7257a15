package resource

import (
	"errors"
	"strings"
	"testing"
)

// babs is the user of RFC 7643, section 8.3, as far as filters below ask for it.
func babs(t testing.TB) Document {
	t.Helper()
	doc, err := NewUser().Read([]byte(`{"userName":"bjensen@example.com","externalId":"bJensen","name":{"familyName":"O'Malley","givenName":"Barbara"},
		"title":"Tour Guide","userType":"Employee","active":true,
		"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tour Operations","manager":{"value":"us_1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	doc["id"], doc["schemas"] = "us_2", []any{UserSchema, EnterpriseSchema}
	doc["meta"] = Document{"resourceType": "User", "created": "2011-05-13T04:42:34.25Z", "lastModified": "2011-05-13T04:42:34Z", "version": `W/"1"`}
	return doc
}

func TestFilters(t *testing.T) {
	doc := babs(t)
	for text, want := range map[string]bool{
		// RFC 7644, section 3.4.2.2, figure 2.
		`userName eq "bjensen@example.com"`:                           true,
		`name.familyName co "O'Malley"`:                               true,
		`userName sw "J"`:                                             false,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "BJ"`: true,
		`title pr`: true,
		`meta.lastModified gt "2011-05-13T04:42:34Z"`:                                                       false,
		`meta.lastModified ge "2011-05-13T04:42:34Z"`:                                                       true,
		`meta.lastModified lt "2011-05-13T04:42:34Z"`:                                                       false,
		`meta.lastModified le "2011-05-13T06:42:34+02:00"`:                                                  true,
		`title pr and userType eq "Employee"`:                                                               true,
		`title pr or userType eq "Intern"`:                                                                  true,
		`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`:                           true,
		`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`:             true,
		`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`:         false,
		`userType eq "Employee" and (emails.type eq "work")`:                                                true,
		`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`:                     true,
		`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`: true,
		`emails[type eq "home" and value co "@example.com"]`:                                                false,
		`emails.type eq "home" and emails.value co "@example.com"`:                                          true,
		`emails[type eq "work"].value ew "EXAMPLE.com"`:                                                     true,
		// Case: of names never, of values as the schema says.
		`USERNAME EQ "BJensen@Example.COM"`: true, `externalId eq "bjensen"`: false, `externalId eq "bJensen"`: true, `id eq "US_2"`: false, `Id eq "us_2"`: true,
		`title eq "tour guide"`: true, `active EQ true`: true, `active eq "True"`: true, `active eq false`: false, `active ne false`: true,
		// What is not assigned.
		`nickName pr`: false, `nickName eq null`: true, `nickName ne null`: false, `title eq null`: false, `title ne null`: true, `nickName eq "x"`: false,
		`nickName ne "x"`: true, `emails[display pr]`: false, `not (nickName pr)`: true, `addresses.country eq "US"`: false,
		// Precedence: not, and, or.
		`nickName pr and title pr or title pr`: true, `title pr or title pr and nickName pr`: true, `(title pr or title pr) and nickName pr`: false,
		`not (nickName pr) and title pr`: true, `not(nickName pr)`: true, `((title pr))`: true, `emails[(type eq "home")]`: true, `emails[not (type eq "home")]`: true,
		// Order, by the order of characters.
		`title gt "tour"`: true, `title lt "u"`: true, `title ge "tour guide"`: true, `title le "a"`: false,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour operations"`: true,
		`urn:IETF:params:scim:schemas:extension:enterprise:2.0:user:manager.value eq "us_1"`:         true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "us_1"`:               true,
		`name.givenName eq "\u0042arbara"`:                                                           true, `  title   pr  `: true,
	} {
		f, err := NewUser().ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if f.Matches(doc) != want {
			t.Errorf("%s: want %t", text, want)
		}
	}
}

func TestRefusedFilters(t *testing.T) {
	for _, text := range []string{
		"", " ", "userName", "userName eq", `userName eq "x`, `userName eq x`, `userName eq 'x'`, `userName is "x"`, `eq "x"`, `userName eq "x" and`, `userName eq "x" or or title pr`,
		`(title pr`, `title pr)`, `not title pr`, `not (title pr`, `nothing pr`, `name.nothing pr`, `name eq "x"`, `emails[nothing eq "x"]`, `emails[type eq "x"`, `emails[emails pr]`,
		`userName[type pr]`, `name.familyName[x pr]`, `emails[type eq "x"].nothing eq "y"`, `emails[type eq "x"].`, `active gt true`, `active co "tr"`, `active eq "perhaps"`, `userName eq 7`, `userName gt null`,
		`meta.created co "2011"`, `meta.created gt "yesterday"`, `password eq "x"`, `title pr pr`, `title eq "x" title pr`, `urn:nothing:userName pr`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr`, `urn:ietf:params:scim:schemas:core:2.0:User pr`, `title eq {"a":1}`, `title eq ["a"]`, "title\tpr", `title eq "a\x"`,
		strings.Repeat("(", maxDepth+1) + "title pr" + strings.Repeat(")", maxDepth+1), strings.Repeat("not (", maxDepth) + "title pr" + strings.Repeat(")", maxDepth),
		`title eq "` + strings.Repeat("x", MaxFilter) + `"`, `members pr`,
	} {
		f, err := NewUser().ParseFilter(text)
		var bad *Error
		if !errors.As(err, &bad) || bad.Type != InvalidFilter || bad.Detail == "" {
			t.Errorf("%.80s: %v, %v", text, f, err)
		}
	}
	deep := strings.Repeat("(", maxDepth-1) + "title pr" + strings.Repeat(")", maxDepth-1)
	if _, err := NewUser().ParseFilter(deep); err != nil {
		t.Errorf("%d brackets: %v", maxDepth-1, err)
	}
}

func TestDemands(t *testing.T) {
	for text, want := range map[string]string{
		`userName eq "A"`: "A", `title pr and userName eq "A"`: "A", `userName eq "A" and title pr or title pr`: "", `userName ne "A"`: "", `not (userName eq "A")`: "",
		`userName sw "A"`: "", `userName eq null`: "", `title eq "A"`: "", `(userName eq "A" and (title pr))`: "A",
	} {
		f, err := NewUser().ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := f.Demands("userName"); got != want || ok != (want != "") {
			t.Errorf("%s demands %q, %t", text, got, ok)
		}
	}
	for text, want := range map[string]string{`members eq "us_1"`: "us_1", `members.value eq "us_1"`: "us_1", `members[value eq "us_1"]`: "us_1", `members[type eq "User"]`: "", `members.$ref eq "x"`: ""} {
		f, err := NewGroup().ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := f.Demands(Members); got != want || !f.Mentions(Members) || f.Mentions("displayName") {
			t.Errorf("%s demands %q", text, got)
		}
	}
}

// FuzzFilter: whatever a client sends as a filter is refused with its place or selects something, in bounded time, and a filter
// and its negation share the documents between them.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "bjensen"`, `emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]`, `not (title pr and active eq true)`, `meta.created gt "2011-05-13T04:42:34Z"`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq null`, `emails[type eq "work"].value eq "x"`, `title eq "\ud800"`, `((((`, `title eq "` + "\x00\xff" + `"`,
	} {
		f.Add(seed)
	}
	user, doc := NewUser(), babs(f)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := user.ParseFilter(text)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || bad.Type != InvalidFilter {
				t.Fatalf("%v is no error of a filter", err)
			}
			return
		}
		negation, err := user.ParseFilter("not (" + text + ")")
		if err != nil {
			return // too deep or too long
		}
		if filter.Matches(doc) == negation.Matches(doc) {
			t.Errorf("%q and its negation are both %t", text, filter.Matches(doc))
		}
		if name, ok := filter.Demands("userName"); ok && filter.Matches(doc) && Fold(name) != Fold(doc.Text("userName")) {
			t.Errorf("%q demands %q, and selects another", text, name)
		}
	})
}

func TestFold(t *testing.T) {
	for _, pair := range [][2]string{{"Straße", "sTRASSE"}, {"ADA", "ada"}, {"Σίσυφος", "ΣΊΣΥΦΟΣ"}, {"K", "k"}, {"ſ", "S"}, {"İ", "i"}} {
		if (Fold(pair[0]) == Fold(pair[1])) != strings.EqualFold(pair[0], pair[1]) {
			t.Errorf("%s and %s", pair[0], pair[1])
		}
	}
}
