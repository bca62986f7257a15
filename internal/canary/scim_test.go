package canary

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// employ has the program in which people are kept tell of engineers.
func (h *house) employ(people ...string) {
	h.Helper()
	var members []string
	for _, who := range people {
		id := h.written("Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,
			"emails":[{"type":"work","value":"%[1]s@acme.example"}]}`, who))
		members = append(members, fmt.Sprintf(`{"value":%q}`, id))
	}
	h.written("Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"engineering","members":[`+strings.Join(members, ",")+`]}`)
}

// written has a resource written, and returns its ID.
func (h *house) written(kind, document string) string {
	h.Helper()
	token, err := os.ReadFile(filepath.Join(h.secrets(), "scim"))
	if err != nil {
		h.Fatal(err)
	}
	status, answer := h.call("POST", "/scim/v2/"+kind, http.Header{"Authorization": {"Bearer " + string(token)}, "Content-Type": {"application/scim+json"}}, document)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusCreated {
		h.Fatalf("%s: %d: %s", document, status, answer)
	}
	return made.ID
}

// provision has an identity provider write a user and a group, with passwords that nobody wants and tokens that are wrong, and take
// them away.
func (h *house) provision() {
	h.Helper()
	token, err := os.ReadFile(filepath.Join(h.secrets(), "scim"))
	if err != nil {
		h.Fatal(err)
	}
	with := func(token string) http.Header {
		return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/scim+json"}}
	}
	const users = "/scim/v2/Users"
	unwanted := h.choose(h, "a password that an identity provider sends")
	inJSON, err := json.Marshal(unwanted)
	if err != nil {
		h.Fatal(err)
	}
	user := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"sam","active":true,"password":%s,
		"emails":[{"type":"work","value":"sam@acme.example"}]}`, inJSON)
	id := h.written("Users", user)
	patch := func(operation string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`
	}
	for _, c := range []struct {
		method, path string
		header       http.Header
		body         string
	}{
		{"PATCH", users + "/" + id, with(string(token)), patch(fmt.Sprintf(`{"op":"replace","path":"password","value":%s}`, inJSON))},
		{"PATCH", users + "/" + id, with(string(token)), patch(fmt.Sprintf(`{"op":"replace","path":%s,"value":"x"}`, inJSON))},
		{"PUT", users + "/" + id, with(string(token)), string(inJSON)},
		{"GET", users + "?filter=" + url.QueryEscape(`password eq "`+unwanted+`"`), with(string(token)), ""},
		{"GET", users + "?filter=" + url.QueryEscape(unwanted), with(string(token)), ""},
		{"GET", users, with(string(token)), ""},
		{"GET", users, with(h.choose(h, "what somebody took for the SCIM token")), ""},
		{"GET", users, with(h.tokens["carol"]), ""},
		{"GET", users + "?token=" + url.QueryEscape(string(token)), http.Header{}, ""},
		{"GET", "/v1/whoami", with(string(token)), ""},
		{"POST", users, with("not " + string(token)), user},
		{"PATCH", users + "/" + id, with(string(token)), patch(`{"op":"replace","path":"active","value":false}`)},
		{"DELETE", users + "/" + id, with(string(token)), ""},
	} {
		h.call(c.method, c.path, c.header, c.body)
	}
	if status, _ := h.call("GET", users+"/"+id, with(string(token)), ""); status != http.StatusNotFound {
		h.Errorf("a user that was deleted is answered with %d", status)
	}
}
