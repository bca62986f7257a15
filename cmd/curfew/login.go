package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// loginWait is how long a sign-in in the browser is waited for.
	loginWait = 10 * time.Minute
	// mostPause is how long a server may have a device wait before it asks again, and usualPause how long it waits where the server
	// says nothing (RFC 8628, section 3.2), in seconds.
	mostPause, usualPause = 60, 5
)

// clientID is the name of this program at a server (docs/signin.md).
const clientID = "curfew-cli"

func (p *program) loginCommand() *cobra.Command {
	var noBrowser, device bool
	var workload workloadOptions
	cmd := &cobra.Command{
		Use:   "login [SERVER]",
		Short: "Sign in at a server",
		Long: `Sign in at a server, in the browser. On a machine without one, you are shown a code to type in a browser elsewhere.

The token is kept in the system's key store where there is one, and else in a file that nobody else can read. Commands then
go to that server, until you sign in at another one or say so with --profile or CURFEW_PROFILE.

With --workload what signs in is no person but what runs on a platform: it shows a token of that platform, which the server
trusts by a rule (docs/workloads.md).`,
		Example: `  curfew login https://curfew.example.com
  curfew login --workload https://curfew.example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := workload.check(); err != nil {
				return err
			}
			server, name, err := p.loginAt(args, !workload.print)
			if err != nil {
				return err
			}
			if workload.wanted {
				return p.loginWorkload(cmd.Context(), profile{Name: name, URL: server}, workload)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), loginWait)
			defer cancel()
			var token string
			if device || !noBrowser && browserCommand(ctx, p.getenv, "") == nil {
				token, err = p.signInDevice(ctx, server)
			} else {
				token, err = p.signIn(ctx, server, noBrowser)
			}
			if err != nil {
				return err
			}
			return p.signedIn(ctx, profile{Name: name, URL: server}, token)
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "print the address, and open no browser on this machine")
	cmd.Flags().BoolVar(&device, "device", false, "sign in with a browser on another machine")
	workload.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("no-browser", "device", "workload")
	return cmd
}

// loginAt is the server to sign in at, and the name of its profile. Where nothing is to be kept of a server that is named, no
// profile is looked at, nor a place for any needed.
func (p *program) loginAt(args []string, keep bool) (server, name string, err error) {
	server = cmp.Or(p.url, p.getenv("CURFEW_URL"))
	if len(args) > 0 {
		server = args[0]
	}
	if server != "" && !keep {
		server, err = serverURL(server)
		return server, "", err
	}
	list, err := p.readProfiles()
	if err != nil {
		return "", "", err
	}
	name = cmp.Or(p.profile, p.getenv("CURFEW_PROFILE"))
	if known, ok := list.find(cmp.Or(name, list.Current)); ok && server == "" {
		server, name = known.URL, known.Name
	}
	if server == "" {
		return "", "", usagef("say at which server: curfew login https://curfew.example.com")
	}
	if server, err = serverURL(server); err != nil {
		return "", "", err
	}
	if known, ok := list.of(server); ok && name == "" {
		name = known.Name
	}
	name = cmp.Or(name, nameOf(server))
	if !profileName.MatchString(name) {
		return "", "", usagef("%q cannot be the name of a profile: give one with --profile, of letters, digits, dots and dashes", name)
	}
	if _, known := list.find(name); !known && len(list.Profiles) >= maxProfiles {
		return "", "", usagef("you have %d profiles, and no more are kept: give one of them with --profile, which is this server's then", maxProfiles)
	}
	return server, name, nil
}

// signIn has somebody sign in, and returns the token. What the browser brings back goes to a port of this machine.
func (p *program) signIn(ctx context.Context, server string, noBrowser bool) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("waiting for the browser: %w", err)
	}
	defer listener.Close()
	config := oauthConfig(server)
	config.RedirectURL = "http://" + listener.Addr().String() + "/"
	verifier, state := oauth2.GenerateVerifier(), rand.Text()
	page := config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("label", machineName()))
	answers := make(chan answer, 1)
	waiting := &http.Server{Handler: waitingPage(server, state, answers), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = waiting.Serve(listener) }()
	defer func() { _ = waiting.Close() }()

	fmt.Fprintf(p.stderr, "Sign in here:\n\n  %s\n\n", display(page))
	if !noBrowser && openBrowser(ctx, p.getenv, page) {
		fmt.Fprintln(p.stderr, "Your browser shows that page; this waits for you.")
	} else {
		fmt.Fprintln(p.stderr, "Open it in a browser on this machine; this waits for you.")
	}
	select {
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", access.Errorf(access.KindTimeout, "nobody signed in within %s", loginWait)
		}
		return "", fmt.Errorf("interrupted: %w", context.Canceled)
	case a := <-answers:
		if a.err != nil {
			return "", a.err
		}
		token, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, p.plainClient()), a.code, oauth2.VerifierOption(verifier))
		if err != nil {
			return "", signInError(err)
		}
		// The page that the browser shows is on its way.
		_ = waiting.Shutdown(ctx)
		return token.AccessToken, nil
	}
}

// signInDevice has somebody sign in with a browser elsewhere, and returns the token.
func (p *program) signInDevice(ctx context.Context, server string) (string, error) {
	config := oauthConfig(server)
	c := p.plainClient()
	c.Transport = objects{http.DefaultTransport}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c)
	begun, err := config.DeviceAuth(ctx, oauth2.SetAuthURLParam("label", machineName()))
	if err != nil {
		return "", signInError(err)
	}
	if begun.DeviceCode == "" || begun.UserCode == "" || begun.VerificationURI == "" {
		return "", errNoCurfew
	}
	fmt.Fprintf(p.stderr, "In a browser on any machine open\n\n  %s\n\nand type this code:\n\n  %s\n\nThis waits for you until %s.\n",
		display(begun.VerificationURI), display(begun.UserCode), begun.Expiry.Local().Format(time.TimeOnly))
	begun.Interval = min(max(begun.Interval, 0), mostPause) // a timer takes no others
	token, err := config.DeviceAccessToken(ctx, begun)
	for err != nil && mayPass(err) {
		begun.Interval = min(2*cmp.Or(begun.Interval, usualPause), mostPause)
		token, err = config.DeviceAccessToken(ctx, begun)
	}
	if err != nil {
		return "", signInError(err)
	}
	return token.AccessToken, nil
}

// mayPass tells a server that is away or busy from one that has refused. Whoever has typed the code need not begin again: it is asked
// further, half as often each time (RFC 8628, section 3.5), until the code has ended.
func mayPass(err error) bool {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) {
		return refusal.Response.StatusCode == http.StatusTooManyRequests || refusal.Response.StatusCode >= http.StatusInternalServerError
	}
	var network *url.Error
	return errors.As(err, &network) && !errors.Is(err, errNoCurfew)
}

// answer is what the browser brings back.
type answer struct {
	code string
	err  error
}

// waitingPage takes the one answer of the browser that is to this sign-in. Whatever else comes is told that there is nothing.
func waitingPage(server, state string, answers chan<- answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
			http.NotFound(w, r)
			return
		}
		a, said := answer{code: query.Get("code")}, "You are signed in. Go back to your terminal; you can close this page."
		switch {
		case query.Get("iss") != server:
			a = answer{err: otherAddress(server, query.Get("iss"))}
		case a.code == "":
			a.err = access.Errorf(access.KindDenied, "you chose not to sign in")
		}
		if a.err != nil {
			said = "You are not signed in. You can close this page."
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Curfew</title>"+
			"<style>:root{color-scheme:light dark}body{font:1.1rem system-ui,sans-serif;margin:3rem}</style><p role=\"status\">%s</p></html>", said)
		select {
		case answers <- a:
		default: // an answer is there already
		}
	})
}

// otherAddress is the error of an answer that names another server than was asked (RFC 9207): a code goes to none but the one that
// made it. Mostly it is the same under another address than people are meant to type.
func otherAddress(server, named string) error {
	if named, err := serverURL(named); err == nil {
		return access.Errorf(access.KindUnauthenticated, "%s goes by another address, so that its answer is not taken: if you know that one, run `curfew login %s`", display(server), display(named))
	}
	return access.Errorf(access.KindUnauthenticated, "the answer does not say that it is of %s, and is not taken: check its address", display(server))
}

// oauthConfig is how this program asks a server (RFC 8414 describes the same at /.well-known/oauth-authorization-server).
func oauthConfig(server string) oauth2.Config {
	return oauth2.Config{ClientID: clientID, Endpoint: oauth2.Endpoint{
		AuthURL: server + "/oauth/authorize", DeviceAuthURL: server + "/oauth/device", TokenURL: server + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
}

// plainClient makes calls without a token. It goes nowhere else than it is told to.
func (p *program) plainClient() *http.Client {
	return &http.Client{Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// maxSignInAnswer bounds what a server says while somebody signs in, in bytes.
const maxSignInAnswer = 1 << 20

var errNoCurfew = access.Errorf(access.KindUnavailable, "the server does not answer as Curfew does: check its address")

// objects passes on what is a JSON object, or a refusal. Package oauth2 takes `null` for the former, and panics.
type objects struct{ http.RoundTripper }

func (o objects) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxSignInAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil, errNoCurfew
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

// signInError says why the server gave no token.
func signInError(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.ErrorDescription != "" {
		return access.Errorf(access.KindUnauthenticated, "%s", refusal.ErrorDescription)
	}
	if errors.As(err, &refusal) {
		return access.Errorf(access.KindUnavailable, "the server answers %d, and not as Curfew does: check its address", refusal.Response.StatusCode)
	}
	var network *url.Error
	over := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if over || errors.As(err, &network) && !errors.Is(err, errNoCurfew) {
		return unreachable(err)
	}
	return errNoCurfew
}

// signedIn keeps a token, and says whose it is.
func (p *program) signedIn(ctx context.Context, one profile, token string) error {
	me, err := p.keepSignIn(ctx, one, token)
	if err != nil {
		p.abandon(ctx, one.URL, token)
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(me)
	}
	until := ""
	if me.Session.ID != "" {
		until = ", at the latest until " + me.Session.EndsAt.Local().Format(time.DateTime)
	}
	p.say("Signed in at %s as %s%s.", one.URL, nameText(me), until)
	return nil
}

// keepSignIn keeps a token and the profile that it is of, and returns whose it is.
func (p *program) keepSignIn(ctx context.Context, one profile, token string) (me client.Principal, err error) {
	c, err := p.clientFor(one.URL, token, callTimeout)
	if err != nil {
		return me, err
	}
	if me, err = decode[client.Principal](c.Whoami(ctx)); err != nil {
		return me, err
	}
	if one, err = p.keepToken(one, token); err != nil {
		return me, err
	}
	list, err := p.readProfiles()
	if err != nil {
		return me, err
	}
	return me, p.writeProfiles(list.with(one))
}

// abandon ends the session of a token that is kept nowhere, with which nobody could end it later. Why it is not kept is the news: that
// this fails too is none, and the session then ends for not being used.
func (p *program) abandon(ctx context.Context, server, token string) {
	_, _ = p.endSessions(context.WithoutCancel(ctx), server, token, false)
}

// nameText is who somebody is, by name and by key.
func nameText(me client.Principal) string {
	if me.Name == "" {
		return me.Principal
	}
	return fmt.Sprintf("%s (%s)", me.Name, me.Principal)
}

// machineName is by which people tell their sessions apart.
func machineName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "curfew"
	}
	return "curfew on " + strings.ToValidUTF8(host[:min(len(host), 64)], "")
}

// serverURL is the address of a server, as profiles have it.
func serverURL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef("the address of the server is not like https://curfew.example.com; check CURFEW_URL and --url")
	}
	return strings.TrimSuffix(address, "/"), nil
}
