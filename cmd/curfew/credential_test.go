package main

import (
	"bytes"
	"encoding/base64"
	"os/exec"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/secret"
)

// A real shell reads the lines back, so that no value can break out of its quotes.
func TestExportsAreForAShellToEval(t *testing.T) {
	for _, value := range []string{"plain", "it's", `$(touch owned) "$HOME" \`, "two\nlines", "`id`", "'; rm -rf x; '", ""} {
		var out bytes.Buffer
		p := &program{stdout: &out}
		if err := p.printExports(access.Credential{Env: map[string]string{"PGPASSWORD": value}}); err != nil {
			t.Fatal(err)
		}
		got, err := exec.CommandContext(t.Context(), "sh", "-c", out.String()+`printf %s "$PGPASSWORD"`).Output()
		if err != nil || string(got) != value {
			t.Errorf("%q became %q, %v", value, got, err)
		}
	}
	for name, env := range map[string]map[string]string{
		"no name": {"": "x"}, "a command": {"A=1; id #": "x"}, "a digit first": {"1A": "x"}, "a line break": {"A\nB": "x"}, "NUL": {"PGPASSWORD": "a\x00b"}, "nothing": {},
		"what a linker loads": {"LD_PRELOAD": "x"}, "where programs are": {"PGUSER": "x", "PATH": "."},
	} {
		var out bytes.Buffer
		p := &program{stdout: &out}
		if err := p.printExports(access.Credential{Env: env}); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
	}
}

func TestCredentialOfAnotherGrantIsRefused(t *testing.T) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	alice := access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"}
	seal := func(grant access.GrantID, plaintext string) client.SealedCredential {
		sealed, err := secret.SealTo(key.Public(), secret.Binding{Tenant: "default", Grant: grant, Principal: alice, Attempt: 1}, []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		return client.SealedCredential{Grant: string(grant), Tenant: "default", Principal: "alice", Attempt: 1, Ciphertext: sealed}
	}
	mine := client.Grant{ID: "gr_1", Principal: "alice"}
	if got, err := open(key, mine, seal("gr_1", `{"username":"u","password":"p"}`)); err != nil || got.Password != "p" {
		t.Errorf("%+v, %v", got, err)
	}
	swapped := seal("gr_2", `{}`)
	swapped.Grant = "gr_1"
	elsewhere := seal("gr_1", `{}`)
	elsewhere.Principal = "bob"
	for name, sealed := range map[string]client.SealedCredential{
		"another grant's": seal("gr_2", `{}`), "another's under this name": swapped, "another principal's": elsewhere,
		"nothing": {Grant: "gr_1", Principal: "alice"}, "no credential": seal("gr_1", `"canary`),
	} {
		_, err := open(key, mine, sealed)
		if err == nil {
			t.Errorf("%s was opened", name)
		} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(key.Public())) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}
