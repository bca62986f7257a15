package syslog_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/syslog"
	"github.com/curfewhq/curfew/internal/localpeer"
)

var _ delivery.Stream = (*syslog.Stream)(nil)

// message is an entry whose text is hard to carry.
func message(position int64) delivery.Message {
	return delivery.Message{
		Position: position, ID: access.EventID(`ev_"]\`), At: time.UnixMicro(1_700_000_000_000_001), Kind: access.EventGrantActive,
		Body: fmt.Appendf(nil, `{"position":%d,"reason":"ü [x] \n <110>1"}`, position),
	}
}

func understood(position int64) localpeer.SyslogLine {
	return localpeer.SyslogLine{
		Priority: "110", Version: "1", Timestamp: "2023-11-14T22:13:20.000001Z", Hostname: "node-1", App: "curfewd", ID: "grant.active",
		Data: fmt.Sprintf(`[curfew@32473 position="%d" id="ev_\"\]\\"]`, position), Message: fmt.Sprintf(`{"position":%d,"reason":"ü [x] \n <110>1"}`, position),
	}
}

func stream(t *testing.T, address, ca string) *syslog.Stream {
	t.Helper()
	s, err := syslog.New(address, ca, "node-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestRsyslogUnderstands sends by each transport that rsyslog has here.
func TestRsyslogUnderstands(t *testing.T) {
	r, err := localpeer.StartRsyslog(t.Context(), localpeer.RsyslogOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	var want []localpeer.SyslogLine
	for _, address := range []string{"tcp://" + r.Addr(), "udp://" + r.Addr(), "unix://" + r.Socket()} {
		s := stream(t, address, "")
		for range 3 {
			n := int64(len(want) + 1)
			if err := s.Send(t.Context(), []delivery.Message{message(n), message(n + 1)}); err != nil {
				t.Fatalf("%s: %v", address, err)
			}
			want = append(want, understood(n), understood(n+1))
			var got []localpeer.SyslogLine
			for range 500 {
				if got, err = r.Lines(); err != nil || len(got) >= len(want) {
					break
				}
				<-time.After(10 * time.Millisecond)
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("%s: %v (-want +got):\n%s", address, err, diff)
			}
		}
	}
}

// A packet is never too long to be sent: what is behind it must arrive too.
func TestLongEntryInAPacket(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m := message(7)
	m.Body = make([]byte, 200<<10)
	if err := stream(t, "udp://"+conn.LocalAddr().String(), "").Send(t.Context(), []delivery.Message{m, message(8)}); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	for _, want := range []string{`{"position":7,"too_long":true}`, `{"position":8,`} {
		n, _, err := conn.ReadFrom(buffer)
		if err != nil || !strings.Contains(string(buffer[:n]), want) {
			t.Errorf("%v: %.300q, want %s", err, buffer[:n], want)
		}
	}
}

// TestServerThatRestarts closes the connection between two batches. The first write into it would still succeed, and be lost.
func TestServerThatRestarts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := stream(t, "tcp://"+listener.Addr().String(), "")
	for n := range int64(3) {
		if err := s.Send(t.Context(), []delivery.Message{message(n + 1)}); err != nil {
			t.Fatal(err)
		}
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := frame(t, bufio.NewReader(conn)); !strings.Contains(got, fmt.Sprintf(`{"position":%d,`, n+1)) {
			t.Errorf("number %d has arrived as %s", n+1, got)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// frame reads a line with its octets counted.
func frame(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var length int
	if _, err := fmt.Fscanf(in, "%d ", &length); err != nil {
		t.Error(err)
	}
	line := make([]byte, length)
	if _, err := io.ReadFull(in, line); err != nil {
		t.Error(err)
	}
	return string(line)
}

// TestTLS believes the certificates that are named, and no other.
func TestTLS(t *testing.T) {
	config, ca := certified(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).Handshake() != nil {
				_ = conn.Close() // who does not believe it goes away
				continue
			}
			in := bufio.NewReader(conn)
			got <- frame(t, in)
			got <- frame(t, in)
		}
	}()
	address := "tcp+tls://" + listener.Addr().String()
	if err := stream(t, address, "").Send(t.Context(), []delivery.Message{message(1)}); err == nil {
		t.Error("a certificate that nobody vouches for is believed")
	}
	s := stream(t, address, ca)
	for n := range int64(2) { // the second on the connection of the first
		if err := s.Send(t.Context(), []delivery.Message{message(n + 1)}); err != nil {
			t.Fatal(err)
		}
		if line := <-got; !strings.Contains(line, fmt.Sprintf(`{"position":%d,`, n+1)) {
			t.Errorf("number %d has arrived as %s", n+1, line)
		}
	}
	for name, content := range map[string]string{"empty": "", "no certificate": "hello"} {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := syslog.New(address, path, "node-1"); err == nil {
			t.Errorf("%s is a file of certificates", name)
		}
	}
}

// certified makes a certificate for loopback, and the file to believe it by.
func certified(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, path
}

func TestUnreachable(t *testing.T) {
	for _, address := range []string{"tcp://192.0.2.1:514", "udp://192.0.2.1:514", "tcp+tls://169.254.169.254:6514", "unix:///nowhere/log"} {
		if err := stream(t, address, "").Send(t.Context(), []delivery.Message{message(1)}); err == nil {
			t.Errorf("%s is reached", address)
		}
	}
}
