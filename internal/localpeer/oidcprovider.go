package localpeer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
)

// OIDCProviderOptions say how to start npm's oidc-provider.
type OIDCProviderOptions struct {
	Clients []OIDCClient
	Users   []DexUser
	// NoEndSession is a provider without a page to sign out at.
	NoEndSession bool
	// Progress gets lines when something has to be fetched. Nil discards them.
	Progress io.Writer
}

// OIDCClient is a program that people sign in to.
type OIDCClient struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// Redirects are where people go after they have signed in, and AfterLogout after they have signed out.
	Redirects   []string `json:"redirects"`
	AfterLogout []string `json:"afterLogout"`
	// BackChannel is where the provider says that a session has ended; empty has it say nothing. WithSession says that the
	// program wants to be told which.
	BackChannel string `json:"backChannel,omitempty"`
	WithSession bool   `json:"withSession"`
}

// OIDCProvider is a private oidc-provider 9, an OpenID provider in JavaScript which ends sessions as dex does not, on a loopback
// port. It makes its keys when it starts, so that Restart withdraws them. It dies with this process, and keeps what it knows in
// memory. Its methods are safe for concurrent use.
type OIDCProvider struct {
	server
	options OIDCProviderOptions
	program []string
}

// oidcProviderPeer is how it is had.
func oidcProviderPeer() nodePeer { return nodePeer{name: "oidc-provider"} }

// FetchOIDCProvider fetches the server, unless that was done before.
func FetchOIDCProvider(ctx context.Context, progress io.Writer) error {
	_, err := oidcProviderPeer().need(ctx, progress)
	return err
}

const oidcProviderConfig = "options.json"

// StartOIDCProvider starts a server and returns when it tells of itself. The context bounds the start, fetching included, not the
// life of the server; the caller must Stop it.
func StartOIDCProvider(ctx context.Context, o OIDCProviderOptions) (*OIDCProvider, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := oidcProviderPeer().need(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	p := &OIDCProvider{server: server{folder: f}, options: o, program: program}
	p.recipe = recipe{
		name: "oidc-provider", command: p.command, portTaken: "EADDRINUSE", polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
		ready: func(ctx context.Context, port int) error { return discovered(ctx, "http://"+addr(port)) },
	}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return p, nil
}

// Issuer is what its tokens say who made them.
func (p *OIDCProvider) Issuer() string { return "http://" + p.Addr() }

// NewVisitor is somebody who comes to it, whom it does not know yet.
func (p *OIDCProvider) NewVisitor() (*Visitor, error) { return newVisitor(p.Issuer()) }

// command writes what it is to be, in which the port stands. Should that fail, it says what it misses.
func (p *OIDCProvider) command(port int) []string {
	type user struct {
		ID       string   `json:"id"`
		Email    string   `json:"email"`
		Name     string   `json:"name"`
		Password string   `json:"password"`
		Groups   []string `json:"groups"`
	}
	options := map[string]any{"port": port, "clients": p.options.Clients, "endSession": !p.options.NoEndSession}
	users := make([]user, len(p.options.Users))
	for i, u := range p.options.Users {
		users[i] = user(u)
	}
	options["users"] = users
	if text, err := json.Marshal(options); err == nil {
		_ = os.WriteFile(p.folder.join(oidcProviderConfig), text, 0o600)
	}
	return append(append([]string{}, p.program...), p.folder.join(oidcProviderConfig))
}
