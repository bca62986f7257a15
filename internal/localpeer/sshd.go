package localpeer

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// SSHOptions say how to start sshd.
type SSHOptions struct {
	// AuthorizedKey is the public key that may log in as whoever runs this process, as ssh-keygen writes it.
	AuthorizedKey string
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// SSH is a private OpenSSH server on a loopback port. It dies with this process. Its methods are safe for concurrent use.
type SSH struct {
	server
	program string
	// probe is in its banner, and in that of no other server.
	probe string
}

const (
	sshConfig     = "sshd_config"
	sshHostKey    = "host_key"
	sshAuthorized = "authorized_keys"
)

const sshText = `
ListenAddress 127.0.0.1:%[2]d
HostKey %[1]s/` + sshHostKey + `
AuthorizedKeysFile %[1]s/` + sshAuthorized + `
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
VersionAddendum %[3]s
`

// StartSSH starts a server and returns when it answers. The context bounds the start, installation included, not the life of
// the server; the caller must Stop it.
func StartSSH(ctx context.Context, o SSHOptions) (*SSH, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := NeedProgram(ctx, o.Progress, "sshd", "openssh-server")
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	s := &SSH{server: server{folder: f}, program: program, probe: rand.Text()}
	s.recipe = recipe{
		name: "sshd", command: s.command, ready: s.answers, portTaken: "Address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := errors.Join(s.prepare(ctx, o.AuthorizedKey), s.start(ctx)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// prepare makes what the server reads.
func (s *SSH) prepare(ctx context.Context, authorized string) error {
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where it separates its privileges
			return err
		}
	}
	made, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", s.folder.join(sshHostKey)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, made)
	}
	return os.WriteFile(s.folder.join(sshAuthorized), []byte(authorized+"\n"), 0o600)
}

// command writes the configuration, which has the port. Without it the program does not start, and says so.
func (s *SSH) command(port int) []string {
	_ = os.WriteFile(s.folder.join(sshConfig), fmt.Appendf(nil, sshText, s.folder.path, port, s.probe), 0o600)
	return []string{s.program, "-D", "-e", "-f", s.folder.join(sshConfig)}
}

// answers reads the banner.
func (s *SSH) answers(ctx context.Context, port int) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr(port))
	if err != nil {
		return err
	}
	banner, err := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadString('\n')
	if err == nil && !strings.Contains(banner, s.probe) {
		err = errors.New("another server has answered")
	}
	return errors.Join(err, conn.Close())
}

// KnownHost is the line by which a client knows the server.
func (s *SSH) KnownHost() (string, error) {
	key, err := os.ReadFile(s.folder.join(sshHostKey + ".pub"))
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(s.Addr())
	return fmt.Sprintf("[%s]:%s %s", host, port, strings.TrimSpace(string(key))), err
}
