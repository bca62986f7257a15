package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Whatever a server answers a device that would sign in, it is said in a line, and soon.
func TestDeviceSignInAtWhatIsNoCurfew(t *testing.T) {
	begun := `{"device_code":"d","user_code":"u","verification_uri":"https://x.example","expires_in":1,"interval":`
	for answer, want := range map[string]string{
		`null`: "check its address", `[]`: "check its address", `7`: "check its address", ``: "check its address", `{}`: "check its address",
		`<!doctype html><title>Welcome</title>`: "check its address", `{"device_code":`: "check its address", begun + `-9}`: "in time", begun + `1e99}`: "check its address",
	} {
		t.Run(answer, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(answer))
			}))
			defer server.Close()
			folder := t.TempDir()
			began := time.Now()
			var said strings.Builder
			code := run(t.Context(), []string{"login", "--device", server.URL}, strings.NewReader(""), &said, &said, func(name string) string {
				return map[string]string{"CURFEW_STATE": filepath.Join(folder, "state"), "HOME": folder}[name]
			})
			if code == 0 || !strings.Contains(said.String(), want) || strings.Contains(said.String(), "panic") || time.Since(began) > time.Minute {
				t.Errorf("after %s the exit code is %d: %s", time.Since(began), code, said.String())
			}
		})
	}
}

// A server that is busy, or away, while somebody types the code keeps nobody from being signed in.
func TestDeviceSignInOutlastsTrouble(t *testing.T) {
	t.Parallel() // it waits for seconds
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/oauth/device" {
			_, _ = w.Write([]byte(`{"device_code":"d","user_code":"u","verification_uri":"https://x.example","expires_in":60,"interval":1}`))
			return
		}
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":"slow","error_description":"Too many."}`))
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"access_denied","error_description":"Somebody has said no."}`))
		}
	}))
	defer server.Close()
	folder := t.TempDir()
	var said strings.Builder
	run(t.Context(), []string{"login", "--device", server.URL}, strings.NewReader(""), &said, &said, func(name string) string {
		return map[string]string{"CURFEW_STATE": filepath.Join(folder, "state"), "HOME": folder}[name]
	})
	if asked.Load() != 3 || !strings.Contains(said.String(), "Somebody has said no.") {
		t.Errorf("asked %d times; said is: %s", asked.Load(), said.String())
	}
}

// A server that goes by another address than the one that was typed says so at once, in the browser and in the terminal.
func TestAnswerOfAnotherAddress(t *testing.T) {
	for what, c := range map[string]struct {
		query      string
		status     int
		says, here string
	}{
		"the server's own":     {"state=right&iss=https%3A%2F%2Fcurfew.example&code=c", 200, "", "You are signed in"},
		"another address":      {"state=right&iss=https%3A%2F%2Fcurfew.acme.example&code=c", 200, "curfew login https://curfew.acme.example", "You are not signed in"},
		"none":                 {"state=right&code=c", 200, "check its address", "You are not signed in"},
		"another sign-in":      {"state=wrong&iss=https%3A%2F%2Fcurfew.example&code=c", 404, "nothing", "404"},
		"a text for terminals": {"state=right&iss=%1b%5B2J&code=c", 200, "check its address", "You are not signed in"},
	} {
		t.Run(what, func(t *testing.T) {
			answers := make(chan answer, 1)
			w := httptest.NewRecorder()
			waitingPage("https://curfew.example", "right", answers).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?"+c.query, nil))
			said := "nothing"
			select {
			case a := <-answers:
				if said = ""; a.err != nil {
					said = a.err.Error()
				}
				if a.err != nil && a.code != "" {
					t.Error("there is a code besides")
				}
			default:
			}
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.here) || !strings.Contains(said, c.says) || c.says == "" && said != "" || strings.Contains(said, "\x1b") {
				t.Errorf("%d %s\nthe terminal: %q", w.Code, w.Body, said)
			}
		})
	}
}

// signInServer gives a device, and a workload, a token at once, and refuses to link accounts. It counts the sessions that were ended.
func signInServer(t *testing.T) (address string, ended *atomic.Int32) {
	t.Helper()
	ended = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method + " " + r.URL.Path {
		case "POST /oauth/device":
			_, _ = w.Write([]byte(`{"device_code":"d","user_code":"u","verification_uri":"https://x.example","expires_in":60,"interval":1}`))
		case "POST /oauth/token":
			_, _ = w.Write([]byte(`{"access_token":"cft_new","token_type":"Bearer"}`))
		case "GET /v1/whoami":
			_, _ = w.Write([]byte(`{"principal":"oidc/alice","kind":"human","person":"alice","groups":[]}`))
		case "POST /v1/sessions/current/end":
			if r.Header.Get("Authorization") == "Bearer cft_new" {
				ended.Add(1)
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"status":403,"detail":"No."}`))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, ended
}

// What a sign-in began ends with it where its token is kept nowhere.
func TestNoSessionStaysWithoutItsToken(t *testing.T) {
	for name, args := range map[string][]string{
		"a token that cannot be kept": {"login", "--device"},
		"a proof that was refused":    {"persons", "link", "--device"},
	} {
		t.Run(name, func(t *testing.T) {
			address, ended := signInServer(t)
			state := filepath.Join(t.TempDir(), "state")
			env := map[string]string{"CURFEW_STATE": state, "CURFEW_NO_KEYSTORE": "1", "CURFEW_URL": address}
			if args[0] == "persons" {
				env["CURFEW_TOKEN"] = "cft_mine"
			}
			// A file stands where the folder of tokens would.
			if err := errors.Join(os.Mkdir(state, 0o700), os.WriteFile(filepath.Join(state, tokensFolder), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			code := run(t.Context(), args, strings.NewReader(""), &said, &said, func(name string) string { return env[name] })
			if code == 0 || ended.Load() != 1 {
				t.Errorf("the exit code is %d, and %d sessions have ended: %s", code, ended.Load(), said.String())
			}
		})
	}
}

// A workload that has its token printed keeps nothing, and needs no place for it.
func TestPrintKeepsNothing(t *testing.T) {
	address, _ := signInServer(t)
	platform := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(platform, []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, env := range []map[string]string{{}, {"HOME": home}} {
		var out, said strings.Builder
		args := []string{"login", "--workload", "--print", "--token-file", platform, address}
		code := run(t.Context(), args, strings.NewReader(""), &out, &said, func(name string) string { return env[name] })
		if code != 0 || out.String() != "cft_new\n" {
			t.Errorf("with %v the exit code is %d: %s%s", env, code, out.String(), said.String())
		}
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("there is %v, %v", left, err)
	}
}

// Who has all the profiles that there may be is told what to do, and that helps.
func TestProfileInPlaceOfAnother(t *testing.T) {
	address, _ := signInServer(t)
	env := map[string]string{"CURFEW_STATE": filepath.Join(t.TempDir(), "state"), "CURFEW_NO_KEYSTORE": "1"}
	p := &program{getenv: func(name string) string { return env[name] }}
	var list profiles
	for i := range maxProfiles {
		list = list.with(profile{Name: "server-" + strconv.Itoa(i), URL: "https://curfew.example.com"})
	}
	if err := p.writeProfiles(list); err != nil {
		t.Fatal(err)
	}
	login := func(more ...string) (code int, said string) {
		var b strings.Builder
		code = run(t.Context(), append([]string{"login", "--device", address}, more...), strings.NewReader(""), &b, &b, p.getenv)
		return code, b.String()
	}
	if code, said := login(); code != 2 || !strings.Contains(said, "give one of them with --profile") {
		t.Errorf("with %d profiles the exit code is %d: %s", maxProfiles, code, said)
	}
	if code, said := login("--profile", "server-7"); code != 0 {
		t.Errorf("in place of another the exit code is %d: %s", code, said)
	}
}
