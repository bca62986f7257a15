package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
)

// workloadOptions say how a workload signs in: with a token of the platform that it runs on.
type workloadOptions struct {
	wanted bool
	// file has the token; empty asks GitHub Actions, in a job of which this runs.
	file string
	// audience is what GitHub is asked to make the token for.
	audience string
	// print has the token of the session printed and not kept.
	print bool
}

// maxWorkloadToken bounds the token of a platform, in bytes, and the answer that has it.
const maxWorkloadToken = 16 << 10

// flags adds the flags.
func (o *workloadOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.wanted, "workload", false, "sign in as a workload, with a token of the platform that this runs on")
	f.StringVar(&o.file, "token-file", "", "the file that has the platform's token; by default GitHub Actions is asked for one (CURFEW_WORKLOAD_TOKEN_FILE)")
	f.StringVar(&o.audience, "audience", "", "what GitHub Actions is asked to make the token for; by default the server's address")
	f.BoolVar(&o.print, "print", false, "print the token of the session, as for CURFEW_TOKEN, and keep nothing")
}

// check refuses flags that do not go together.
func (o workloadOptions) check() error {
	switch {
	case !o.wanted && (o.file != "" || o.audience != "" || o.print):
		return usagef("--token-file, --audience and --print go with --workload")
	case o.file != "" && o.audience != "":
		return usagef("--audience is for the token that GitHub Actions makes; the one in --token-file has its audience already")
	}
	return nil
}

// loginWorkload exchanges the platform's token for a session, and keeps or prints that.
func (p *program) loginWorkload(ctx context.Context, one profile, o workloadOptions) error {
	o.file = cmp.Or(o.file, p.getenv("CURFEW_WORKLOAD_TOKEN_FILE"))
	shown, err := p.platformToken(ctx, one.URL, o)
	if err != nil {
		return err
	}
	token, err := p.exchange(ctx, one.URL, shown)
	if err != nil {
		return err
	}
	if !o.print {
		return p.signedIn(ctx, one, token)
	}
	if p.wantsJSON() {
		return p.printJSON(map[string]string{"url": one.URL, "token": token})
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}

// platformToken is the token of the platform.
func (p *program) platformToken(ctx context.Context, server string, o workloadOptions) (string, error) {
	if o.file == "" {
		return p.gitHubToken(ctx, cmp.Or(o.audience, server))
	}
	f, err := os.Open(o.file)
	if err != nil {
		return "", fmt.Errorf("reading the platform's token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxWorkloadToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the platform's token: %w", err)
	}
	token := string(bytes.TrimSpace(text))
	if token == "" || len(text) > maxWorkloadToken {
		return "", usagef("there is no token in %s: want one, of at most %d bytes", o.file, maxWorkloadToken)
	}
	return token, nil
}

// gitHubToken asks GitHub Actions for a token of the job that this runs in.
func (p *program) gitHubToken(ctx context.Context, audience string) (string, error) {
	address, bearer := p.getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), p.getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address == "" || bearer == "" {
		return "", usagef("there is no token of a platform: name its file with --token-file, or, in a job of GitHub Actions, give the job `permissions: {id-token: write}`")
	}
	at, err := url.Parse(address)
	if err != nil {
		return "", usagef("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	query := at.Query()
	query.Set("audience", audience)
	at.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", usagef("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Accept", "application/json")
	var made struct {
		Value string `json:"value"`
	}
	if err := p.callPlain(r, &made); err != nil {
		return "", fmt.Errorf("asking GitHub Actions for a token: %w", err)
	}
	if made.Value == "" {
		return "", access.Errorf(access.KindUnavailable, "GitHub Actions answers without a token; try again")
	}
	return made.Value, nil
}

// exchange shows the server the platform's token (RFC 8693).
func (p *program) exchange(ctx context.Context, server, shown string) (string, error) {
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {clientID},
		"subject_token": {shown}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var made struct {
		AccessToken string `json:"access_token"`
	}
	err = p.callPlain(r, &made)
	var said refusedCall
	switch {
	case errors.As(err, &said) && said.description != "":
		return "", access.Errorf(access.KindUnauthenticated, "%s", said.description)
	case err != nil:
		return "", err
	case made.AccessToken == "":
		return "", access.Errorf(access.KindUnavailable, "the server gives no token, and so is none of Curfew: check its address")
	}
	return made.AccessToken, nil
}

// refusedCall is an answer that is no success. Only what OAuth has for people to read is kept of it (RFC 6749, section 5.2).
type refusedCall struct {
	status      int
	description string
}

// Error implements error.
func (r refusedCall) Error() string {
	return fmt.Sprintf("the answer is %d %s", r.status, http.StatusText(r.status))
}

// callPlain makes a call without a token of Curfew's, and reads the answer into out.
func (p *program) callPlain(r *http.Request, out any) error {
	answer, err := p.plainClient().Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxWorkloadToken))
	if err != nil {
		return unreachable(err)
	}
	if answer.StatusCode != http.StatusOK {
		var said struct {
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal(text, &said) // what is no JSON says nothing
		return refusedCall{answer.StatusCode, said.Description}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return access.Wrap(access.KindUnavailable, err, notOurs(answer))
	}
	return nil
}
