package localpeer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// RedisOptions say how to start Redis. The zero value is an empty one to which only its administrator can log in.
type RedisOptions struct {
	// TLS has it speak TLS and nothing else.
	TLS bool
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// Redis is a private Redis that listens on a loopback port. It dies with this process. What is in it lives in memory; its
// users lie in a file, which it reads when it starts. Its methods are safe for concurrent use.
type Redis struct {
	server
	options  RedisOptions
	program  string
	password string
}

const (
	// RedisAdmin is the account that may do everything.
	RedisAdmin       = "admin"
	redisProgram     = "redis-server"
	redisClient      = "redis-cli"
	redisUsers       = "users.acl"
	redisCertificate = "server.crt"
	redisKey         = "server.key"
)

// HasRedis reports whether the server and its client are on this machine, so that nothing must be installed.
func HasRedis() bool {
	for _, program := range []string{redisProgram, redisClient} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// StartRedis starts a server and returns when its administrator can log in. The context bounds the start, installation
// included, not the life of the server; the caller must Stop it.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := NeedProgram(ctx, o.Progress, redisProgram, redisProgram)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	r := &Redis{server: server{folder: f}, options: o, program: program, password: rand.Text()}
	r.recipe = recipe{
		name: "Redis", command: r.command, ready: r.ping, portTaken: "Address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := r.configure(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return r, nil
}

// configure writes the file of users: the administrator, and nobody else.
func (r *Redis) configure() error {
	if r.options.TLS {
		if err := writeCertificate(r.CAFile(), r.folder.join(redisKey)); err != nil {
			return err
		}
	}
	hash := sha256.Sum256([]byte(r.password))
	users := "user default off\nuser " + RedisAdmin + " on #" + hex.EncodeToString(hash[:]) + " ~* &* +@all\n"
	return os.WriteFile(r.folder.join(redisUsers), []byte(users), 0o600)
}

func (r *Redis) command(port int) []string {
	listen := []string{"--port", strconv.Itoa(port)}
	if r.options.TLS {
		listen = []string{
			"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", r.CAFile(),
			"--tls-cert-file", r.CAFile(), "--tls-key-file", r.folder.join(redisKey),
		}
	}
	return append([]string{
		r.program, "--bind", "127.0.0.1", "--dir", r.folder.path, "--save", "", "--appendonly", "no",
		"--aclfile", r.folder.join(redisUsers),
	}, listen...)
}

// ping logs in as the administrator, whose password no other server knows.
func (r *Redis) ping(ctx context.Context, port int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr(port)) // of what does not listen yet the library would complain on stderr
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	client, err := r.dial(addr(port))
	if err != nil {
		return err
	}
	return errors.Join(client.Ping(ctx).Err(), client.Close())
}

func (r *Redis) dial(at string) (*redis.Client, error) {
	o := &redis.Options{Addr: at, Protocol: 2, Username: RedisAdmin, Password: r.password, MaxRetries: -1, DialerRetries: 1}
	if r.options.TLS {
		config, err := trusting(r.CAFile())
		if err != nil {
			return nil, err
		}
		o.TLSConfig = config
	}
	return redis.NewClient(o), nil
}

// URL is where it listens.
func (r *Redis) URL() string {
	if r.options.TLS {
		return "rediss://" + r.Addr()
	}
	return "redis://" + r.Addr()
}

// CAFile is the certificate that its own is checked against: its own.
func (r *Redis) CAFile() string { return r.folder.join(redisCertificate) }

// Port is the port that it listens on.
func (r *Redis) Port() string { return r.Addr()[strings.LastIndexByte(r.Addr(), ':')+1:] }

// Client is Redis' own client, as a user, in clear text.
func (r *Redis) Client(ctx context.Context, user, password string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, redisClient, append([]string{"-h", "127.0.0.1", "-p", r.Port(), "--user", user}, args...)...)
	r.confine(cmd)
	cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+password)
	return cmd
}

// Admin is a client of the administrator's, which connects when it is used. The caller closes it.
func (r *Redis) Admin() (*redis.Client, error) { return r.dial(r.Addr()) }
