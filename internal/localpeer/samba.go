package localpeer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/go-ldap/ldap/v3"
)

const (
	// SambaSuffix is the topmost entry of a Samba's domain.
	SambaSuffix = "dc=example,dc=test"
	sambaRealm  = "EXAMPLE.TEST"
	// sambaSetUp is a folder in the server's, for the domain.
	sambaSetUp = "domain"
)

// SambaOptions say how to start Samba's directory.
type SambaOptions struct {
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// Samba is a private Active Directory domain: Samba's directory server and nothing else of it, which listens on a loopback
// port. It dies with this process. Its methods are safe for concurrent use.
//
// Samba listens on the ports of its protocols and no others, so it has a network of its own, in which nobody is, and a
// relay hands connections on to its socket. That takes root.
type Samba struct {
	server
	program  string
	password string
	relay    net.Listener
	relays   sync.WaitGroup
}

// StartSamba makes a domain, which takes some seconds, and returns when its administrator can log in. The context bounds the
// start, installation included, not the life of the server; the caller must Stop it.
func StartSamba(ctx context.Context, o SambaOptions) (*Samba, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("samba's ports are for root, as is a network of its own; run this as root")
	}
	program, err := NeedProgram(ctx, o.Progress, "samba", "samba-ad-dc", "samba-ad-provision", "samba-vfs-modules")
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	s := &Samba{server: server{folder: f}, program: program, password: "Aa1-" + rand.Text()}
	s.recipe = recipe{
		name: "Samba", command: s.command, ready: s.ping, portTaken: "in no network of its own is a port taken",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL, ownNetwork: true,
	}
	if err := s.provision(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := s.startRelay(ctx); err != nil {
		return nil, errors.Join(err, s.server.Stop())
	}
	return s, nil
}

func (s *Samba) path(name string) string { return s.folder.join(sambaSetUp) + "/" + name }

// provision makes the domain. samba-tool takes the administrator's password as an argument only; it is a test's, and good
// for this server alone.
func (s *Samba) provision(ctx context.Context) error {
	return s.Tool(ctx, "domain", "provision", "--realm="+sambaRealm, "--domain=EXAMPLE", "--server-role=dc", "--dns-backend=NONE",
		"--targetdir="+s.folder.join(sambaSetUp), "--adminpass="+s.password, "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
		"--option=posix:eadb="+s.path("private/eadb.tdb"))
}

// Tool runs samba-tool, which works on the domain's files past the server.
func (s *Samba) Tool(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "samba-tool", args...)
	s.confine(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, tail(out))
	}
	return nil
}

// Database is the file that Tool works on, as in -H.
func (s *Samba) Database() string { return s.path("private/sam.ldb") }

func (s *Samba) command(int) []string {
	argv := []string{s.program, "--interactive", "--model=single", "--debug-stdout", "--debuglevel=1", "--configfile=" + s.path("etc/smb.conf")}
	for _, option := range []string{
		"server services=ldap", "ldap server require strong auth=no", "nsupdate command=", "tls enabled=no",
		"pid directory=" + s.folder.path, "ncalrpc dir=" + s.path("ncalrpc"), "winbindd socket directory=" + s.path("winbindd"),
	} {
		argv = append(argv, "--option="+option)
	}
	return argv
}

func (s *Samba) socket() string { return s.path("private/ldapi") }

// AdministratorDN is the entry of the administrator, whose password is random.
func (s *Samba) AdministratorDN() string { return "cn=Administrator,cn=Users," + SambaSuffix }

// Administrator is a connection of the administrator's. The caller closes it.
func (s *Samba) Administrator() (*ldap.Conn, error) {
	conn, err := ldap.DialURL("ldapi://" + url.PathEscape(s.socket()))
	if err != nil {
		return nil, err
	}
	if err := conn.Bind(s.AdministratorDN(), s.password); err != nil {
		return nil, errors.Join(fmt.Errorf("log in as the administrator: %w", err), conn.Close())
	}
	return conn, nil
}

func (s *Samba) ping(context.Context, int) error {
	conn, err := s.Administrator()
	if err != nil {
		return err
	}
	return conn.Close()
}

// startRelay hands connections to a loopback port on to the server's socket.
func (s *Samba) startRelay(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if s.relay, err = lc.Listen(ctx, "tcp", addr(0)); err != nil {
		return err
	}
	s.relays.Go(func() {
		for {
			conn, err := s.relay.Accept()
			if err != nil {
				return
			}
			s.relays.Go(func() { s.hand(context.WithoutCancel(ctx), conn) })
		}
	})
	return nil
}

// hand copies in both directions until either end closes.
func (s *Samba) hand(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "unix", s.socket())
	if err != nil {
		return
	}
	defer func() { _ = socket.Close() }()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{conn, socket}, {socket, conn}} {
		s.relays.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			ended <- struct{}{}
		})
	}
	<-ended
}

// Addr is the address of the relay.
func (s *Samba) Addr() string { return s.relay.Addr().String() }

// URL is where it can be reached.
func (s *Samba) URL() string { return "ldap://" + s.Addr() }

// Stop ends the relay and the server. Further calls do nothing.
func (s *Samba) Stop() error {
	_ = s.relay.Close()
	err := s.server.Stop()
	s.relays.Wait()
	return err
}
