// Package ldapdial connects to LDAP directories: those that connectors change, and those that tell of people.
//
// It owns what is refused of an address (a password that would cross the network in clear text), TLS, the log-in, and what tells
// one kind of directory from another. It does not own what is asked of a directory.
package ldapdial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const connectTimeout = 5 * time.Second

// Server is a directory, and who logs in there.
type Server struct {
	// URL is ldaps://HOST or ldap://HOST, the latter with StartTLS unless it is this machine.
	URL      string
	StartTLS bool
	BindDN   string
	Password string
	// TLS is what Trust makes.
	TLS *tls.Config
}

// Errors of CheckURL, by the key that is wrong.
var (
	ErrURL      = errors.New("want ldaps://HOST or ldap://HOST, with :PORT if it is another than 636 or 389")
	ErrClear    = errors.New("a password would cross the network in clear text; write ldaps:// or start_tls: true")
	ErrStartTLS = errors.New("goes with ldap://; ldaps:// is TLS from the start")
)

// CheckURL refuses what is no address, and to send a password in clear text to another machine.
func CheckURL(raw string, startTLS bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "":
		return ErrURL
	case u.Scheme == "ldaps" && startTLS:
		return ErrStartTLS
	case u.Scheme == "ldap":
		if ip := net.ParseIP(u.Hostname()); !startTLS && (ip == nil || !ip.IsLoopback()) {
			return ErrClear
		}
	case u.Scheme != "ldaps":
		return ErrURL
	}
	return nil
}

// ErrNoCertificate says that a file has none.
var ErrNoCertificate = errors.New("there is no certificate in it; want PEM")

// Trust is how the server's certificate is checked: against those of a file, or the system's if it has no name.
func Trust(raw, caFile string) (*tls.Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, ErrNoCertificate
	}
	return config, nil
}

// Connect connects, begins TLS, and logs in. The end of ctx cuts that short.
func (s Server) Connect(ctx context.Context) (*ldap.Conn, error) {
	dialer := &net.Dialer{Timeout: connectTimeout}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := ldap.DialURL(s.URL, ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(s.TLS))
	if err != nil {
		return nil, err
	}
	cut := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer cut()
	if s.StartTLS {
		if err := conn.StartTLS(s.TLS); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if err := conn.Bind(s.BindDN, s.Password); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// activeDirectory is the capability by which Active Directory names itself (MS-ADTS 3.1.1.3.4.3.1).
const activeDirectory = "1.2.840.113556.1.4.800"

// IsActiveDirectory asks a directory what it is.
func IsActiveDirectory(conn *ldap.Conn) (bool, error) {
	root, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{"supportedCapabilities"}, nil))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(root.Entries, func(e *ldap.Entry) bool {
		return slices.Contains(e.GetAttributeValues("supportedCapabilities"), activeDirectory)
	}), nil
}

// The attributes that never change and are never used again: of RFC 4530, and Active Directory's.
const (
	EntryUUID  = "entryUUID"
	ObjectGUID = "objectGUID"
)

// Untrusted reports whether the server's certificate was refused. Of what StartTLS says the library keeps the text alone.
func Untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok || strings.Contains(err.Error(), "failed to verify certificate")
}

// GUIDText is an objectGUID as tools write it: its first three parts are numbers whose last byte comes first.
func GUIDText(raw []byte) string {
	if len(raw) != 16 {
		return ""
	}
	b := slices.Clone(raw)
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	text := hex.EncodeToString(b)
	return strings.Join([]string{text[0:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}
