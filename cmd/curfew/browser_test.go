package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestServerNamesNoPage: a server says which page a browser is to show. Programs that open pages open files, other programs' addresses
// and options too, so nothing but a page is handed on.
func TestServerNamesNoPage(t *testing.T) {
	for address, opened := range map[string]bool{
		"https://curfew.example.com/confirm/x": true, "http://127.0.0.1:8420/confirm/x": true,
		"": false, "javascript:alert(1)": false, "file:///etc/passwd": false, `\\evil.example\share\run.exe`: false, `C:\Windows\System32\calc.exe`: false,
		"-a Calculator": false, "--version": false, "/Applications/Calculator.app": false, "vscode://evil/run": false, "https:": false, "https:///x": false,
		"https://curfew.example.com@evil.example/": false, "https://curfew.example.com/\x1b[2J": false,
	} {
		t.Run(address, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if strings.HasSuffix(r.URL.Path, "/recovery-codes") {
					_ = json.NewEncoder(w).Encode(map[string]any{"id": "cer_1", "state": "done", "url": address})
					return
				}
				_, _ = w.Write([]byte(`{"items":[]}`))
			}))
			defer server.Close()
			env := map[string]string{"CURFEW_URL": server.URL, "CURFEW_TOKEN": "x", "BROWSER": "true"}
			getenv := func(name string) string { return env[name] }
			if got := openBrowser(t.Context(), getenv, address); got != opened {
				t.Errorf("a browser is started: %t", got)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"passkeys", "recovery-codes"}, strings.NewReader(""), &stdout, &stderr, getenv)
			if refused := strings.Contains(stderr.String(), "names no page"); refused == opened || (code == 0) != opened {
				t.Errorf("exit %d, stderr %q", code, stderr.String())
			}
		})
	}
}

// TestHostileDevicePause: how long to wait between two questions is the server's to say, within reason.
func TestHostileDevicePause(t *testing.T) {
	for _, pause := range []int64{-1, math.MinInt64, math.MaxInt64} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"device_code": "x", "user_code": "y", "verification_uri": "z", "expires_in": -1, "interval": pause})
		}))
		defer server.Close()
		var stdout, stderr bytes.Buffer
		env := map[string]string{"CURFEW_STATE": t.TempDir() + "/state"}
		if code := run(t.Context(), []string{"login", "--device", server.URL}, strings.NewReader(""), &stdout, &stderr, func(name string) string { return env[name] }); code != 5 {
			t.Errorf("pause %d: exit %d, stderr %q", pause, code, stderr.String())
		}
	}
}
