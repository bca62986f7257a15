package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
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
