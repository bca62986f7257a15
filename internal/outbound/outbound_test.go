package outbound_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew/internal/outbound"
)

// TestMetadataIsNeverDialled dials what must not be reached. Nothing is sent: the address is refused before.
func TestMetadataIsNeverDialled(t *testing.T) {
	for _, address := range []string{
		"169.254.169.254:80", "169.254.170.2:80", "[fe80::1]:80", "[fd00:ec2::254]:80", "[fd20:ce::254]:80", "100.100.100.200:80",
		"168.63.129.16:80", "192.0.0.192:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80", "224.0.0.1:80", "[ff02::1]:80",
		"0.0.0.0:80", "[::]:80",
	} {
		conn, err := outbound.Dialer(outbound.Anywhere).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "never dialled") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestPlainStaysHere: an address of another machine is refused where nothing is encrypted. 192.0.2.1 is nobody's.
func TestPlainStaysHere(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		if _, err := outbound.Dialer(outbound.Loopback).DialContext(t.Context(), "tcp", address); err == nil || !strings.Contains(err.Error(), "not encrypted") {
			t.Errorf("%s: %v", address, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := outbound.Dialer(outbound.Loopback).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestCheckHost(t *testing.T) {
	for host, good := range map[string]bool{"127.0.0.1": true, "localhost": true, "169.254.169.254": false, "fd00:ec2::254": false} {
		if err := outbound.Anywhere.CheckHost(t.Context(), host); (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := outbound.Loopback.CheckHost(t.Context(), "192.0.2.1"); err == nil {
		t.Error("another machine is taken for this one")
	}
}

func TestCheckURL(t *testing.T) {
	for url, good := range map[string]bool{
		"https://w.example/add": true, "http://127.0.0.1:80/add": true, "http://localhost/": true, "http://[::1]:80": true,
		"http://w.example/add": false, "ftp://w.example": false, "https://": false, "w.example": false, "https://me@w.example": false,
		"https://w.example/?token=hunter2": false, "https://w.example/#hunter2": false, "https://w.example/\x00": false,
		"http://127.0.0.1.example/": false,
	} {
		err := outbound.CheckURL(url)
		if (err == nil) != good {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is repeated: %v", err)
		}
	}
}

// TestPost: what is posted arrives; redirects are not followed, and long or failing answers are no success.
func TestPost(t *testing.T) {
	followed := false
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || string(body) != "hello" || r.Header.Get("X-Test") != "yes" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/followed", func(http.ResponseWriter, *http.Request) { followed = true })
	mux.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", http.StatusInternalServerError) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096))
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, says := range map[string]string{"/echo": "", "/elsewhere": "307", "/fails": "500", "/gone": "404", "/endless": ""} {
		h := outbound.NewHTTP(server.URL + path)
		err := h.Post(t.Context(), http.Header{"X-Test": {"yes"}}, []byte("hello"))
		h.Close()
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", path, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %s", path, err, says)
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
}

// Each call has a connection of its own, so that none meets one that the server closes at that moment.
func TestClientsKeepNoConnection(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := outbound.NewClient(server.URL)
	const calls = 3
	for range calls {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("code=once"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Error(err)
		}
		_ = answer.Body.Close()
	}
	if n := connections.Load(); n != calls {
		t.Errorf("%d calls took %d connections", calls, n)
	}
}
