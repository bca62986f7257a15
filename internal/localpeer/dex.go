package localpeer

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// DexOptions say how to start dex.
type DexOptions struct {
	Clients []DexClient
	Users   []DexUser
	// KeysFor is how long it signs with one key before it makes the next; zero is hours. It looks once in 30 seconds.
	KeysFor time.Duration
	// Progress gets lines when something has to be built. Nil discards them.
	Progress io.Writer
}

// DexClient is a program that people sign in to.
type DexClient struct {
	ID, Secret string
	// Public has no secret.
	Public    bool
	Redirects []string
}

// DexUser is somebody with a password there.
type DexUser struct {
	// ID is what the subject of their tokens is made of, for ever.
	ID, Email, Name, Password string
	Groups                    []string
}

// Dex is a private dex 2.45, an OpenID provider, on a loopback port. It dies with this process, and keeps what it knows in
// memory. Its methods are safe for concurrent use.
type Dex struct {
	server
	options DexOptions
	program string
}

const dexConfig = "dex.yaml"

// dexPeer is how it is built.
func dexPeer() goPeer {
	const module = "github.com/dexidp/dex"
	return goPeer{name: "dex", program: "dex", patch: &goPatch{module: module, main: module + "/cmd/dex"}}
}

// BuildDex builds the server, unless that was done before.
func BuildDex(ctx context.Context, progress io.Writer) error {
	_, err := dexPeer().need(ctx, progress)
	return err
}

// StartDex starts a server and returns when it tells of itself. The context bounds the start, building included, not the life
// of the server; the caller must Stop it.
func StartDex(ctx context.Context, o DexOptions) (*Dex, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := dexPeer().need(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	d := &Dex{server: server{folder: f}, options: o, program: program}
	d.recipe = recipe{
		name: "dex", command: d.command, ready: d.discovered, portTaken: "address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return d, nil
}

// Issuer is what its tokens say who made them.
func (d *Dex) Issuer() string { return dexIssuer(d.Addr()) }

func dexIssuer(at string) string { return "http://" + at + "/dex" }

// command writes the configuration, in which the port stands. Should that fail, dex says what it misses.
func (d *Dex) command(port int) []string {
	if text, err := yaml.Marshal(d.configuration(port)); err == nil {
		_ = os.WriteFile(d.folder.join(dexConfig), text, 0o600)
	}
	return []string{d.program, "serve", d.folder.join(dexConfig)}
}

func (d *Dex) configuration(port int) map[string]any {
	var clients, users []map[string]any
	for _, c := range d.options.Clients {
		clients = append(clients, map[string]any{"id": c.ID, "secret": c.Secret, "name": c.ID, "public": c.Public, "redirectURIs": c.Redirects})
	}
	for _, u := range d.options.Users {
		hash, _ := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.DefaultCost) // it takes nothing cheaper; fails for passwords over 72 bytes alone
		users = append(users, map[string]any{"userID": u.ID, "email": u.Email, "username": u.Name, "hash": string(hash), "groups": u.Groups})
	}
	expiry := map[string]any{"idTokens": "10m"}
	if d.options.KeysFor > 0 {
		expiry["signingKeys"] = d.options.KeysFor.String()
	}
	return map[string]any{
		"issuer": dexIssuer(addr(port)), "storage": map[string]any{"type": "memory"}, "web": map[string]any{"http": addr(port)},
		"oauth2": map[string]any{"skipApprovalScreen": true}, "expiry": expiry, "logger": map[string]any{"level": "error"},
		"staticClients": clients, "enablePasswordDB": true, "staticPasswords": users,
	}
}

func (d *Dex) discovered(ctx context.Context, port int) error {
	return discovered(ctx, dexIssuer(addr(port)))
}

// SignIn does what a browser does with somebody's password, as Visitor.SignIn does, and forgets them.
func (d *Dex) SignIn(ctx context.Context, begin, email, password string) (back string, err error) {
	v, err := newVisitor(d.Issuer())
	if err != nil {
		return "", err
	}
	return v.SignIn(ctx, begin, email, password)
}
