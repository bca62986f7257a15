package canary

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Servers that repeat in their refusals what they were told, as proxies and plugins have done. Each says so in the words of its
// protocol, to whoever connects, whatever they ask.

// listen answers everything on every connection until the end of the test. A server that speaks first answers nothing first.
func listen(t testing.TB, speaksFirst bool, answer func(said []byte) []byte) (addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if speaksFirst {
					_, _ = conn.Write(answer(nil))
				}
				said := make([]byte, 4096)
				for {
					n, err := conn.Read(said)
					if err != nil {
						return
					}
					_, _ = conn.Write(answer(said[:n]))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func told(password string) string { return "I was told " + password }

// chattyPostgres refuses the log-in with an ErrorResponse.
func chattyPostgres(t testing.TB, password string) (addr string) {
	fields := "SFATAL\x00VFATAL\x00C28P01\x00M" + told(password) + "\x00\x00"
	message := append([]byte{'E'}, binary.BigEndian.AppendUint32(nil, uint32(len(fields)+4))...)
	return listen(t, false, func([]byte) []byte { return append(message, fields...) })
}

// chattyMySQL refuses before anybody has said anything, which no other server of the kind does with a password that it cannot
// know yet; clients take it at any moment.
func chattyMySQL(t testing.TB, password string) (addr string) {
	payload := append([]byte{0xff, 0x15, 0x04}, "#28000"+told(password)...) // 1045, access denied
	header := []byte{byte(len(payload)), byte(len(payload) >> 8), 0, 0}
	return listen(t, true, func([]byte) []byte { return append(header, payload...) })
}

// chattyLDAP answers a bind with invalidCredentials and a diagnostic message.
func chattyLDAP(t testing.TB, password string) (addr string) {
	result := append([]byte{0x0a, 1, 49, 0x04, 0}, tlv(0x04, told(password))...)
	return listen(t, false, func([]byte) []byte {
		return tlv(0x30, string([]byte{0x02, 1, 1})+string(tlv(0x61, string(result)))) // the first message has the number 1
	})
}

// tlv is an element of BER that has fewer than 128 bytes.
func tlv(tag byte, content string) []byte { return append([]byte{tag, byte(len(content))}, content...) }

// chattyRedis answers every command with an error. Each begins with an asterisk, and several may come at once.
func chattyRedis(t testing.TB, password string) (addr string) {
	return listen(t, false, func(said []byte) []byte {
		return bytes.Repeat([]byte("-ERR "+told(password)+"\r\n"), bytes.Count(said, []byte("*")))
	})
}

// chattyKubernetes repeats the header with the token.
func chattyKubernetes(t testing.TB) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		said := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(r.Header.Get("Authorization"))
		_, _ = fmt.Fprintf(w, `{"kind":"Status","message":"%s"}`, told(said))
	}))
	t.Cleanup(s.Close)
	return s.URL
}
