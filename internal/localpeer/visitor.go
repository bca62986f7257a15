package localpeer

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// maxSignInSteps bounds the pages between a program that asks who somebody is and the answer.
const maxSignInSteps = 10

var (
	// formAction finds where the form on a page of a provider sends what was typed.
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	// hiddenField finds what the form sends besides.
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// ErrSignIn means that the provider knows nobody with that address and password.
var ErrSignIn = errors.New("the address or the password is wrong")

// Visitor is somebody at an OpenID provider, with a browser that remembers them there.
type Visitor struct {
	issuer string
	client *http.Client
}

func newVisitor(issuer string) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	return &Visitor{issuer, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, err
}

// SignIn does what a browser does with somebody's password: it begins at the address to which a program has sent it, and returns
// the address to which the provider sends it back. A wrong password is ErrSignIn.
func (v *Visitor) SignIn(ctx context.Context, begin, email, password string) (back string, err error) {
	return v.fill(ctx, begin, url.Values{"login": {email}, "password": {password}})
}

// SignOut says at the provider's page that they mean to sign out, and returns the address to which the provider sends them back.
func (v *Visitor) SignOut(ctx context.Context, page string) (back string, err error) {
	return v.fill(ctx, page, url.Values{"logout": {"yes"}})
}

// fill goes from page to page until one leads away from the provider, and sends the one form that they show.
func (v *Visitor) fill(ctx context.Context, begin string, typed url.Values) (back string, err error) {
	defer v.client.CloseIdleConnections()
	at, form := begin, url.Values(nil)
	for range maxSignInSteps {
		if !strings.HasPrefix(at, v.issuer+"/") {
			return at, nil
		}
		page, next, err := step(ctx, v.client, at, form)
		switch {
		case err != nil:
			return "", err
		case next != "":
			at, form = next, nil
		case form != nil && strings.Contains(page, "Invalid"):
			return "", ErrSignIn
		case form != nil:
			return "", fmt.Errorf("the provider says neither yes nor no: %.2000s", page)
		default:
			action := formAction.FindStringSubmatch(page)
			if action == nil {
				return "", fmt.Errorf("the provider shows no form: %.300s", page)
			}
			if at, err = resolve(at, html.UnescapeString(action[1])); err != nil {
				return "", err
			}
			form = maps.Clone(typed)
			for _, field := range hiddenField.FindAllStringSubmatch(page, -1) {
				form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
			}
		}
	}
	return "", errors.New("the provider sends back and forth")
}

// step gets a page, or posts a form. next is where it leads, if anywhere.
func step(ctx context.Context, client *http.Client, at string, form url.Values) (page, next string, err error) {
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return "", "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return "", "", err
	}
	if to := answer.Header.Get("Location"); to != "" {
		next, err = resolve(at, to)
	}
	return string(text), next, err
}

// resolve is where a link on a page leads.
func resolve(page, link string) (string, error) {
	base, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	to, err := base.Parse(link)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}
