package localpeer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/go-ldap/ldap/v3"
)

// OpenLDAPOptions say how to start OpenLDAP. The zero value is an empty directory that everybody who logs in may read.
type OpenLDAPOptions struct {
	// Suffix is the name of the topmost entry, which is not made. Default: dc=example,dc=com.
	Suffix string
	// Access are rules of access control (slapd.access(5)), without the word "access".
	Access []string
	// TLS has it speak TLS: from the start at SecureURL, or after StartTLS at URL, without which nobody logs in then.
	TLS bool
	// MemberOf has each member's entry name the groups that it is in (slapo-memberof(5)).
	MemberOf bool
	// PasswordPolicy has it lock accounts (slapo-ppolicy(5)).
	PasswordPolicy bool
	// Limits say who may read how much (slapd.conf(5)), without the word "limits".
	Limits []string
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// OpenLDAP is a private OpenLDAP that listens on a loopback port. It dies with this process. Its methods are safe for
// concurrent use.
type OpenLDAP struct {
	server
	options  OpenLDAPOptions
	program  string
	password string
	// securePort is the port for TLS from the start; zero without TLS.
	securePort int
}

const (
	openLDAPConfig = "slapd.conf"
	openLDAPData   = "data"
	openLDAPKey    = "server.key"
)

// StartOpenLDAP starts a server and returns when its root can log in. The context bounds the start, installation
// included, not the life of the server; the caller must Stop it.
func StartOpenLDAP(ctx context.Context, o OpenLDAPOptions) (*OpenLDAP, error) {
	if o.Suffix == "" {
		o.Suffix = "dc=example,dc=com"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := findSlapd(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	l := &OpenLDAP{server: server{folder: f}, options: o, program: program, password: rand.Text()}
	l.recipe = recipe{
		name: "OpenLDAP", command: l.command, ready: l.ping, portTaken: "Address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := l.configure(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return l, nil
}

// HasOpenLDAP reports whether StartOpenLDAP would have nothing to install.
func HasOpenLDAP() bool {
	_, err := lookSlapd()
	return err == nil
}

// lookSlapd looks for the server, which Debian puts where only root looks.
func lookSlapd() (string, error) {
	const usual = "/usr/sbin/slapd"
	if isFile(usual) {
		return usual, nil
	}
	return exec.LookPath("slapd")
}

// findSlapd finds the server, or installs it.
func findSlapd(ctx context.Context, progress io.Writer) (path string, err error) {
	there := func() bool {
		path, err = lookSlapd()
		return err == nil
	}
	if there() {
		return path, nil
	}
	if done, err := installDebian(ctx, progress, there, "slapd"); err != nil || done {
		return path, err
	}
	return "", errors.New("there is no slapd: install OpenLDAP's server (Debian: apt-get install slapd)")
}

// configure writes the server's configuration. Its root is above all rules.
func (l *OpenLDAP) configure(ctx context.Context) error {
	lines := []string{
		"modulepath /usr/lib/ldap", "moduleload back_mdb",
		"include /etc/ldap/schema/core.schema", "include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/nis.schema", "include /etc/ldap/schema/inetorgperson.schema",
		"pidfile " + l.folder.join("slapd.pid"), "argsfile " + l.folder.join("slapd.args"),
		"database mdb", "suffix " + quoted(l.options.Suffix), "directory " + l.folder.join(openLDAPData), "dbnosync",
		"rootdn " + quoted(l.RootDN()), "rootpw " + l.password,
		"index objectClass,entryUUID,uid eq",
	}
	if l.options.MemberOf {
		lines = append(lines, "moduleload memberof", "overlay memberof")
	}
	if l.options.PasswordPolicy {
		lines = append(lines, "moduleload ppolicy", "overlay ppolicy")
	}
	for _, limit := range l.options.Limits {
		lines = append(lines, "limits "+limit)
	}
	if l.options.TLS {
		var err error
		if l.securePort, err = freePort(ctx); err != nil {
			return err
		}
		if err := writeCertificate(l.CAFile(), l.folder.join(openLDAPKey)); err != nil {
			return err
		}
		lines = append(lines, "TLSCertificateFile "+l.CAFile(), "TLSCertificateKeyFile "+l.folder.join(openLDAPKey), "security simple_bind=128")
	}
	for _, rule := range l.options.Access {
		lines = append(lines, "access "+rule)
	}
	if err := os.Mkdir(l.folder.join(openLDAPData), 0o700); err != nil {
		return err
	}
	return os.WriteFile(l.folder.join(openLDAPConfig), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func (l *OpenLDAP) command(port int) []string {
	listen := "ldap://" + addr(port)
	if l.options.TLS {
		listen += " " + l.SecureURL()
	}
	return []string{l.program, "-f", l.folder.join(openLDAPConfig), "-h", listen, "-d", "0"}
}

// ping logs in as the root, whose password no other server knows.
func (l *OpenLDAP) ping(_ context.Context, port int) error {
	conn, err := l.dial("ldap://" + addr(port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// dial logs in as the root.
func (l *OpenLDAP) dial(at string) (*ldap.Conn, error) {
	conn, err := ldap.DialURL(at)
	if err != nil {
		return nil, err
	}
	if l.options.TLS {
		config, err := trusting(l.CAFile())
		if err == nil {
			err = conn.StartTLS(config)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if err := conn.Bind(l.RootDN(), l.password); err != nil {
		return nil, errors.Join(fmt.Errorf("log in as the root: %w", err), conn.Close())
	}
	return conn, nil
}

// URL is where it listens.
func (l *OpenLDAP) URL() string { return "ldap://" + l.Addr() }

// SecureURL is where it listens for TLS from the start, if it does.
func (l *OpenLDAP) SecureURL() string { return "ldaps://" + addr(l.securePort) }

// CAFile is the certificate that its own is checked against: its own.
func (l *OpenLDAP) CAFile() string { return l.folder.join("server.crt") }

// RootDN is the entry of the root, whose password is random.
func (l *OpenLDAP) RootDN() string { return "cn=root," + l.options.Suffix }

// Root is a connection of the root's. The caller closes it.
func (l *OpenLDAP) Root() (*ldap.Conn, error) { return l.dial(l.URL()) }
