// Package syslog sends entries of the audit log to a log server, as RFC 5424 has them.
//
// It owns the form of the lines, their framing on the wire (octet counting, RFC 5425 and RFC 6587; one a packet on datagrams),
// and the connection. It does not own which addresses may be reached (package outbound), what a line says (package audit), nor
// when it is sent (package delivery).
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/outbound"
)

// Stream sends to one log server, on a connection that it keeps open.
type Stream struct {
	address *url.URL
	host    string
	roots   *x509.CertPool
	conn    net.Conn
}

// New makes a stream to an address, whose form package config has checked. ca is the path of a file of certificates to believe
// in place of the system's; empty leaves it at those. hostname is what lines say they come from.
func New(address, ca, hostname string) (*Stream, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the log server cannot be read")
	}
	s := &Stream{address: at, host: header(hostname, maxHostname)}
	if ca == "" {
		return s, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("the certificates (ca): %w", err)
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s (ca) has no certificate in it", ca)
	}
	return s, nil
}

// Send implements delivery.Stream. Syslog confirms nothing: what is known is that this machine could hand everything over,
// and that the connection, where there is one, was not ended by then. A log server that dies may lose what it had not read.
func (s *Stream) Send(ctx context.Context, batch []delivery.Message) error {
	err := s.send(ctx, batch)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	return err
}

func (s *Stream) send(ctx context.Context, batch []delivery.Message) (err error) {
	if s.conn != nil && !s.datagrams() && ended(s.conn) {
		_ = s.Close() // the other end has closed it
	}
	if s.conn == nil {
		if s.conn, err = s.dial(ctx); err != nil {
			return err
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.conn.SetWriteDeadline(deadline); err != nil {
			return err
		}
	}
	if s.datagrams() {
		for _, m := range batch {
			if _, err := s.conn.Write(s.packet(m)); err != nil {
				return err
			}
		}
		return nil
	}
	var frames bytes.Buffer
	for _, m := range batch {
		line := s.line(m)
		frames.WriteString(strconv.Itoa(len(line)) + " ")
		frames.Write(line)
	}
	_, err = s.conn.Write(frames.Bytes())
	return err
}

// datagrams reports whether each line is a packet of its own.
func (s *Stream) datagrams() bool {
	network := s.conn.RemoteAddr().Network()
	return network == "udp" || network == "unixgram"
}

// dial connects. A socket of the machine may take packets, as /dev/log does, or a stream.
func (s *Stream) dial(ctx context.Context) (net.Conn, error) {
	switch s.address.Scheme {
	case "unix":
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unixgram", s.address.Path)
		if err == nil {
			return conn, nil
		}
		stream, streamErr := dialer.DialContext(ctx, "unix", s.address.Path)
		if streamErr != nil {
			return nil, errors.Join(err, streamErr)
		}
		return stream, nil
	case "tcp+tls":
		dialer := &tls.Dialer{
			NetDialer: outbound.Dialer(outbound.Anywhere),
			Config:    &tls.Config{ServerName: s.address.Hostname(), RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		}
		return dialer.DialContext(ctx, "tcp", s.address.Host)
	}
	return outbound.Dialer(outbound.Loopback).DialContext(ctx, s.address.Scheme, s.address.Host)
}

// ended reports whether the other end has closed a connection. A log server says nothing, so there is nothing else to read; of
// one that closed, the first write would still succeed, and be lost.
func ended(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(probe)); err != nil {
		return true
	}
	var one [1]byte
	_, err := conn.Read(one[:])
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// probe is how long is looked whether a connection has ended.
const probe = time.Millisecond

// Close implements delivery.Stream.
func (s *Stream) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
