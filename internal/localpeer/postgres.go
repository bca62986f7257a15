package localpeer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Superuser is the role that owns everything in a Postgres.
const Superuser = "postgres"

// PostgresOptions say which PostgreSQL to start, and how. The zero value is any version, in a temporary folder, without
// fsync.
type PostgresOptions struct {
	// Version is the major version: 15, 18. Zero takes the newest that is installed.
	Version int
	// DataDir is a folder to keep everything in; a server that lived there before goes on. One process at a time may
	// use it. Empty is a temporary folder that Stop removes.
	DataDir string
	// Fsync makes commits survive the death of the machine; where nobody's data matters, off is faster.
	Fsync bool
	// Settings are server settings by name, such as max_prepared_transactions.
	Settings map[string]string
	// OwnClock gives the server a clock that ShiftClock sets, by Debian's faketime.
	OwnClock bool
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// Postgres is a private PostgreSQL that listens on a loopback port and admits nobody without a password
// (scram-sha-256). It dies with this process. Its methods are safe for concurrent use.
type Postgres struct {
	server
	options  PostgresOptions
	programs programs
	password string
}

// StartPostgres starts a server and returns when it answers queries. The context bounds the start, installation
// included, not the life of the server; the caller must Stop it. An error says what to install where that is what is
// missing.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	major, err := keptVersion(o)
	if err != nil {
		return nil, err
	}
	found, err := findPrograms(ctx, major, o.Progress)
	if err != nil {
		return nil, err
	}
	account, err := serverAccount("postgres")
	if err != nil {
		return nil, err
	}
	f, err := openFolder(o.DataDir, account)
	if err != nil {
		return nil, err
	}
	p := &Postgres{server: server{folder: f}, options: o, programs: found}
	p.recipe = recipe{
		name: "PostgreSQL", command: p.command, ready: p.ping, portTaken: "Address already in use", account: account,
		// A fast and an immediate shutdown. SIGKILL would leave its children and its shared memory.
		polite: syscall.SIGINT, abrupt: syscall.SIGQUIT,
	}
	if err := errors.Join(p.initialise(ctx), p.makeClock(ctx)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return p, nil
}

// keptVersion is the version asked for, or the one that the kept cluster was made by: no other can read it.
func keptVersion(o PostgresOptions) (int, error) {
	if o.DataDir == "" {
		return o.Version, nil
	}
	text, err := os.ReadFile(filepath.Join(o.DataDir, clusterDir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return o.Version, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("the version of the cluster in %s: %w", o.DataDir, err)
	}
	if o.Version != 0 && o.Version != major {
		return 0, fmt.Errorf("the folder %s holds a cluster of PostgreSQL %d, not %d; choose another folder", o.DataDir, major, o.Version)
	}
	return major, nil
}

// initialise makes the cluster and the superuser's password, or reads the password of a cluster that is there.
func (p *Postgres) initialise(ctx context.Context) error {
	passwordFile := p.folder.join("superuser-password")
	if _, err := os.Stat(filepath.Join(p.folder.join(clusterDir), "PG_VERSION")); err == nil {
		text, err := os.ReadFile(passwordFile)
		p.password = string(text)
		return err
	}
	p.password = rand.Text()
	if err := os.WriteFile(passwordFile, []byte(p.password), 0o600); err != nil {
		return err
	}
	if err := give(passwordFile, p.recipe.account); err != nil {
		return err
	}
	args := []string{
		"--pgdata", p.folder.join(clusterDir), "--username", Superuser, "--pwfile", passwordFile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
	}
	if !p.options.Fsync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, p.programs.path("initdb"), args...)
	p.confine(cmd)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.recipe.account}
	if out, err := cmd.CombinedOutput(); err != nil {
		// What is left of a failed attempt would be taken for a cluster next time.
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, tail(out)), os.RemoveAll(p.folder.join(clusterDir)))
	}
	return nil
}

// Version is the major version that runs.
func (p *Postgres) Version() int { return p.programs.major }

// SuperuserDSN connects as the superuser, whose password is random.
func (p *Postgres) SuperuserDSN(database string) string {
	return p.DSN(database, Superuser, p.password)
}

// DSN is the connection string of a user.
func (p *Postgres) DSN(database, user, password string) string {
	return dsn(p.Addr(), database, user, password)
}

func dsn(addr, database, user, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: addr, Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Program is the path of a client program such as psql: the server's own, or one on the PATH.
func (p *Postgres) Program(name string) (string, error) {
	if own := p.programs.path(name); isFile(own) {
		return own, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no %s: install the client of PostgreSQL (Debian: apt-get install postgresql-client)", name)
	}
	return path, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// command is the server's. Settings of the caller come last and win.
func (p *Postgres) command(port int) []string {
	onOff := map[bool]string{true: "on", false: "off"}
	argv := []string{p.programs.path("postgres"), "-D", p.folder.join(clusterDir)}
	set := func(name, value string) { argv = append(argv, "-c", name+"="+value) }
	set("listen_addresses", "127.0.0.1")
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", "") // a socket's path may be too long for its address
	set("fsync", onOff[p.options.Fsync])
	for _, name := range slices.Sorted(maps.Keys(p.options.Settings)) {
		set(name, p.options.Settings[name])
	}
	return argv
}

// ping logs in as the superuser. That the answer comes from this server, and not from one that took the port, shows in
// the password.
func (p *Postgres) ping(ctx context.Context, port int) error {
	conn, err := pgx.Connect(ctx, dsn(addr(port), Superuser, Superuser, p.password))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}
