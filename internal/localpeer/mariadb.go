package localpeer

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// MariaDBOptions say how to start MariaDB. The zero value keeps everything in a temporary folder.
type MariaDBOptions struct {
	// DataDir is a folder to keep everything in; a server that lived there before goes on. One process at a time may
	// use it. Empty is a temporary folder that Stop removes.
	DataDir string
	// Settings are options of the server, as in --max-connections=500.
	Settings []string
	// TLS has it speak TLS too, with the certificate of CAFile.
	TLS bool
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// MariaDB is a private MariaDB that listens on a loopback port. It dies with this process. Its methods are safe for
// concurrent use.
type MariaDB struct {
	server
	options  MariaDBOptions
	program  string
	password string
}

// StartMariaDB starts a server and returns when its root can log in. The context bounds the start, installation
// included, not the life of the server; the caller must Stop it.
func StartMariaDB(ctx context.Context, o MariaDBOptions) (*MariaDB, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := findMariaDB(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	account, err := serverAccount("mysql")
	if err != nil {
		return nil, err
	}
	f, err := openFolder(o.DataDir, account)
	if err != nil {
		return nil, err
	}
	m := &MariaDB{server: server{folder: f}, options: o, program: program, password: rand.Text()}
	m.recipe = recipe{
		name: "MariaDB", command: m.command, ready: m.ping, portTaken: "Can't start server: Bind on TCP/IP port", account: account,
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := m.initialise(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return m, nil
}

// mariaDBProgram finds the server, which Debian puts where only root looks.
func mariaDBProgram() (path string, found bool) {
	const usual = "/usr/sbin/mariadbd"
	if isFile(usual) {
		return usual, true
	}
	path, err := exec.LookPath("mariadbd")
	return path, err == nil
}

// HasMariaDB reports whether the server is on this machine, so that nothing must be installed.
func HasMariaDB() bool {
	_, found := mariaDBProgram()
	return found
}

// findMariaDB finds the server, or installs it.
func findMariaDB(ctx context.Context, progress io.Writer) (path string, err error) {
	there := func() (found bool) {
		path, found = mariaDBProgram()
		return found
	}
	if there() {
		return path, nil
	}
	if done, err := installDebian(ctx, progress, there, "mariadb-server"); err != nil || done {
		return path, err
	}
	return "", errors.New("there is no mariadbd: install MariaDB's server (Debian: apt-get install mariadb-server)")
}

func (m *MariaDB) path(name string) string { return m.folder.join(name) }

// initialise makes the data folder, unless there is one, and what the server reads at each start: its root's password,
// which is another each time, and its certificate.
func (m *MariaDB) initialise(ctx context.Context) error {
	root := "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '" + m.password + "';\n" +
		"GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
	if err := os.WriteFile(m.path("init.sql"), []byte(root), 0o600); err != nil {
		return err
	}
	own := []string{m.path("init.sql")}
	if m.options.TLS {
		if err := writeCertificate(m.CAFile(), m.path("server.key")); err != nil {
			return err
		}
		own = append(own, m.CAFile(), m.path("server.key"))
	}
	for _, path := range own {
		if err := give(path, m.recipe.account); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(m.path(clusterDir), "mysql")); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
		"--skip-name-resolve", "--datadir="+m.path(clusterDir), "--tmpdir="+m.folder.path)
	m.confine(cmd)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: m.recipe.account}
	if out, err := cmd.CombinedOutput(); err != nil {
		// What is left of a failed attempt would be taken for a data folder next time.
		return errors.Join(fmt.Errorf("mariadb-install-db: %w: %s", err, tail(out)), os.RemoveAll(m.path(clusterDir)))
	}
	return nil
}

// command is the server's. Settings of the caller come last and win.
func (m *MariaDB) command(port int) []string {
	argv := []string{
		m.program, "--no-defaults", "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--skip-name-resolve",
		"--datadir=" + m.path(clusterDir), "--tmpdir=" + m.folder.path, "--pid-file=" + m.path("pid"), "--init-file=" + m.path("init.sql"),
		"--socket=", // a socket's path may be too long for its address
	}
	if m.options.TLS {
		argv = append(argv, "--ssl-cert="+m.CAFile(), "--ssl-key="+m.path("server.key"))
	}
	return append(argv, m.options.Settings...)
}

// ping logs in as the root, whose password no other server knows.
func (m *MariaDB) ping(ctx context.Context, port int) error {
	db, err := sql.Open("mysql", mariaDBConfig(addr(port), "", "root", m.password).FormatDSN())
	if err != nil {
		return err
	}
	return errors.Join(db.PingContext(ctx), db.Close())
}

func mariaDBConfig(at, database, user, password string) *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd, c.Logger = "tcp", at, database, user, password, &mysql.NopLogger{}
	return c
}

// Config is how a user logs in, in clear text.
func (m *MariaDB) Config(database, user, password string) *mysql.Config {
	return mariaDBConfig(m.Addr(), database, user, password)
}

// RootConfig is how root logs in, whose password is random.
func (m *MariaDB) RootConfig(database string) *mysql.Config {
	return m.Config(database, "root", m.password)
}

// CAFile is the certificate that its own is checked against: its own.
func (m *MariaDB) CAFile() string { return m.path("server.crt") }

// Client is MariaDB's own client, as a user, in clear text. It reads statements from its input.
func (m *MariaDB) Client(ctx context.Context, user, password string, args ...string) *exec.Cmd {
	port := m.Addr()[strings.LastIndexByte(m.Addr(), ':')+1:]
	cmd := exec.CommandContext(ctx, "mariadb", append([]string{
		"--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=" + port, "--user=" + user,
	}, args...)...)
	m.confine(cmd)
	cmd.Env = append(cmd.Env, "MYSQL_PWD="+password)
	return cmd
}

// Script runs statements as root, DELIMITER and all.
func (m *MariaDB) Script(ctx context.Context, statements string) error {
	cmd := m.Client(ctx, "root", m.password)
	cmd.Stdin = bytes.NewBufferString(statements)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb: %w: %s", err, tail(out))
	}
	return nil
}
