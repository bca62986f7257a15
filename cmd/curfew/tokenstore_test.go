package main

import (
	"path/filepath"
	"runtime"
	"testing"

	gokeyring "github.com/zalando/go-keyring"
)

// A token goes to the server that gave it, whatever server a profile of its name means by now: there is one key store, and another
// folder of profiles may use the same names; and a sign-in that broke off has kept the token, and not the profile.
func TestTokensAreOfTheirServer(t *testing.T) {
	for _, kept := range []string{"in the key store", "in a file"} {
		t.Run(kept, func(t *testing.T) {
			env := map[string]string{"CURFEW_STATE": filepath.Join(t.TempDir(), "state"), "CURFEW_NO_KEYSTORE": "1"}
			if kept == "in the key store" {
				gokeyring.MockInit()
				delete(env, "CURFEW_NO_KEYSTORE")
				env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
			}
			p := &program{getenv: func(name string) string { return env[name] }}
			here, there := profile{Name: "work", URL: "https://here.example"}, profile{Name: "work", URL: "https://there.example"}
			keep := func(one profile, token string) profile {
				t.Helper()
				one, err := p.keepToken(one, token)
				if err != nil || one.Keystore != (kept == "in the key store" || runtime.GOOS != "linux" && env["CURFEW_NO_KEYSTORE"] == "") {
					t.Fatal(one, err)
				}
				return one
			}
			has := func(one profile, want string) {
				t.Helper()
				if got, err := p.token(one); got != want || err != nil {
					t.Errorf("for %s there is %q, %v; want %q", one.URL, got, err, want)
				}
			}
			here = keep(here, "cft_here")
			has(here, "cft_here")
			there = keep(there, "cft_there")
			has(there, "cft_there")
			has(here, "")
		})
	}
}

// What is kept under one name is not lost when another is written, whatever they are: hosts have names that end like files do.
func TestTokensOfNamesThatBeginAlike(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	p := &program{getenv: func(name string) string {
		return map[string]string{"CURFEW_STATE": state, "CURFEW_NO_KEYSTORE": "1"}[name]
	}}
	for _, name := range []string{"curfew.new", "curfew"} {
		if _, err := p.keepToken(profile{Name: name, URL: "https://" + name}, "cft_"+name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"curfew.new", "curfew"} {
		if got, err := p.token(profile{Name: name, URL: "https://" + name}); got != "cft_"+name || err != nil {
			t.Errorf("of %s there is %q, %v", name, got, err)
		}
	}
}
