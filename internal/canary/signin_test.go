package canary

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// Ann and ben are told of by the program in which people are kept, sign in at the identity provider, and nobody has written down
// a token for them.
const (
	ann = "ann"
	ben = "ben"
)

// open chooses where people reach curfewd before there is one, since its configuration and the provider's say so.
func (h *house) open() {
	h.Helper()
	listen, err := localpeer.FreeAddr(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.listen = listen
	h.addr = strings.Replace(h.record(answers, listen), "127.0.0.1", "localhost", 1) // passkeys are not for numbers
}

func (h *house) url() string { return "http://" + h.addr }

// provide starts an identity provider, and configures all from which people and workloads come.
func (h *house) provide() {
	h.Helper()
	client := h.secret("oidc", "the client secret")
	h.passwords = map[string]string{ann: h.choose(h, "ann's password at the provider"), ben: h.choose(h, "ben's password at the provider")}
	dex, err := localpeer.StartDex(h.ctx, localpeer.DexOptions{
		Clients: []localpeer.DexClient{{ID: "curfew", Secret: client, Redirects: []string{h.url() + "/oauth/callback"}}},
		Users: []localpeer.DexUser{
			{ID: "u-ann", Email: ann + "@acme.example", Name: "Ann Adler", Password: h.passwords[ann]},
			{ID: "u-ben", Email: ben + "@acme.example", Name: "Ben Brand", Password: h.passwords[ben]},
		},
		Progress: h.Output(),
	})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = dex.Stop() })
	h.dex = dex
	h.secret("scim", "the SCIM token")
	h.platform = h.newPlatform()
	directory := chattyLDAP(h, h.secret("directory", "what a chatty directory was told"))
	h.secret("issuer", "what a chatty issuer was told")
	h.sources = fmt.Sprintf(`
    - {id: deployer, kind: service, person: carol, groups: [engineering]}
  oidc: {issuer: %q, client_id: curfew, client_secret: "file:%[2]s/oidc", scopes: [email], accounts: {of: office, claim: email, attribute: mail}}
  scim: {name: office, token: "file:%[2]s/scim", attributes: {mail: 'emails[type eq "work"].value'}}
  ldap: {name: corp, url: "ldap://%[6]s", bind_dn: "cn=curfew,%[7]s", password: "file:%[2]s/directory", base: %[7]q}
  workloads:
    - {name: deploy, issuer: %[3]q, audience: %[4]q, claims: {sub: job-1}, principal: deployer, keys: {file: %[5]q}}
    - name: pods
      issuer: %[8]q
      audience: %[4]q
      claims: {sub: job-1}
      principal: deployer
      keys: {url: "%[9]s/keys", token: "file:%[2]s/issuer"}`, dex.Issuer(), h.secrets(), platformIssuer, h.url(), h.platform.keys,
		directory, suffix, chattyIssuer, chattyKubernetes(h))
}

// signIn has people sign in, at their own machine and from another one, make tokens, and sign out, as well as workloads and the
// program in which people are kept.
func (h *house) signIn() {
	h.Helper()
	h.employ(ann, ben)
	h.login(ann)
	h.loginOnDevice(ben, "login", h.url(), "--device")
	h.must(ann, "whoami")
	h.must(ann, "profiles")
	h.must(ann, "exec", "db/orders:read", "--reason", "order 17", "--for", "5m", "--", "true")
	h.secretly(ann, "tokens", "create", "--scope", "read", "--for", "1h", "--label", "nightly export")
	h.must(ann, "sessions")
	h.passkeys()
	h.loginOnDevice(ann, "persons", "link", "--device")
	h.signInWrongly()
	h.workload()
	h.provision()
	h.login(ben)
	h.must(ben, "sessions", "-o", "json")
	h.must(ben, "logout", "--provider", "--no-browser")
	h.curfew(ben, "whoami")
	h.must(ann, "logout", "--everywhere")
	h.curfew(ann, "whoami")
}

// login signs somebody in at their own machine.
func (h *house) login(who string) {
	h.Helper()
	d := h.work(who, nil, "login", h.url(), "--no-browser")
	page := d.await(&d.stderr, 1, `(http://\S+/oauth/authorize\S+)`)
	b := h.browser()
	to, _ := h.visit(b, "GET", page, nil)
	program := h.confirmAt(b, who, to)
	h.visit(b, "GET", program, nil)
	h.exits(d)
}

// loginOnDevice has a command show a code, and somebody with a browser elsewhere type it: who has another account proves it.
func (h *house) loginOnDevice(who string, args ...string) {
	h.Helper()
	d := h.work(who, []string{userCode}, args...)
	code := d.await(&d.stderr, 1, `type this code:\s+([A-Z]{4}-[A-Z]{4})`)
	b := h.browser()
	h.visit(b, "GET", h.url()+"/device", nil)
	h.visit(b, "POST", h.url()+"/device", url.Values{"user_code": {"BCDF-GHJK"}})
	to, _ := h.visit(b, "POST", h.url()+"/device", url.Values{"user_code": {code}})
	h.confirmAt(b, ben, to)
	h.exits(d)
}

var stateField = regexp.MustCompile(`name="state" value="([^"]*)"`)

// confirmAt signs somebody in at the provider, and says yes to what Curfew asks then. It returns where that leads.
func (h *house) confirmAt(b *http.Client, who, provider string) (to string) {
	h.Helper()
	back, err := h.dex.SignIn(h.ctx, provider, who+"@acme.example", h.passwords[who])
	if err != nil {
		h.Fatalf("signing in at %.40s…: %v", provider, err)
	}
	brought, err := url.Parse(back)
	if err != nil {
		h.Fatal(err)
	}
	h.plant(h, "the provider's code", brought.Query().Get("code"))
	_, page := h.visit(b, "GET", back, nil)
	state := stateField.FindStringSubmatch(page)
	if state == nil {
		h.Fatalf("the page asks nothing: %s", page)
	}
	h.visit(h.browser(), "GET", back, nil) // another browser, with what it was not sent for
	to, _ = h.visit(b, "POST", h.url()+"/oauth/confirm", url.Values{"state": {state[1]}, "answer": {"yes"}})
	return to
}

// browser keeps cookies, and follows nothing by itself.
func (h *house) browser() *http.Client {
	h.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// visit makes one step of a browser.
func (h *house) visit(b *http.Client, method, at string, form url.Values) (to, page string) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.ctx, method, at, strings.NewReader(form.Encode()))
	if err != nil {
		h.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	if !strings.HasPrefix(at, h.url()) {
		h.keep("the page that curfew login shows", text)
	}
	return answer.Header.Get("Location"), string(text)
}

// work has the people's program begin something that waits for a browser. What it shows is under watch, but for what is for the
// eyes of who does.
func (h *house) work(who string, shows []string, args ...string) *daemon {
	h.Helper()
	cmd := h.curfewCommand(who, args...)
	d := startDaemon(h, cmd.Path, cmd.Env, args...)
	h.mu.Lock()
	h.runs++
	name := fmt.Sprintf("run %d, curfew %s: its ", h.runs, strings.Join(args[:min(len(args), 2)], " "))
	h.mu.Unlock()
	h.lookAtBuffer(name+"output", &d.stdout)
	h.look(place{name: name + "errors", read: func() ([]byte, error) { return []byte(d.stderr.String()), nil }, but: shows})
	h.lookAtArguments(d.pid())
	return d
}

// exits waits for a program that does what it should.
func (h *house) exits(d *daemon) {
	h.Helper()
	select {
	case <-d.ended:
	case <-h.ctx.Done():
		h.Fatalf("the program does not end:\n%s", d.stderr.String())
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		h.Fatalf("%s exits with %d:\n%s", filepath.Base(d.cmd.Path), code, d.stderr.String())
	}
}

// signInWrongly brings secrets to where they are no good.
func (h *house) signInWrongly() {
	h.Helper()
	stray := h.choose(h, "what somebody took for a code")
	b := h.browser()
	for _, at := range []string{
		"/oauth/callback?" + url.Values{"code": {stray}, "state": {stray}}.Encode(), "/oauth/authorize?" + url.Values{"client_id": {stray}}.Encode(),
		"/oauth/callback?" + url.Values{"error": {stray}, "error_description": {stray}}.Encode(), "/confirm/" + url.PathEscape(stray),
		"/oauth/authorize?" + url.Values{stray: {stray}, "redirect_uri": {"http://127.0.0.1:1/" + stray}}.Encode(),
		"/oauth/logout?" + url.Values{"id_token_hint": {stray}}.Encode(), "/oauth/signed-out?" + url.Values{"state": {stray}}.Encode(),
	} {
		h.visit(b, "GET", h.url()+at, nil)
	}
	for at, form := range map[string]url.Values{
		"/oauth/token":       {"grant_type": {"authorization_code"}, "client_id": {"curfew-cli"}, "code": {stray}, "code_verifier": {stray}},
		"/oauth/device":      {"client_id": {stray}},
		"/oauth/confirm":     {"state": {stray}, "answer": {"yes"}},
		"/oauth/backchannel": {"logout_token": {stray}},
		"/device":            {"user_code": {stray}},
	} {
		h.visit(b, "POST", h.url()+at, form)
	}
	h.visit(b, "POST", h.url()+"/oauth/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"curfew-cli"}, "device_code": {stray},
	})
}
