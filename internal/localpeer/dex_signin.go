package localpeer

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// maxSignInSteps bounds the pages between a program that asks who somebody is and the answer.
const maxSignInSteps = 10

// formAction finds where the form on a page of dex sends what was typed.
var formAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)

// SignIn does what a browser does with somebody's password: it begins at the address to which a program has sent it, and
// returns the address to which dex sends it back. A wrong password is ErrSignIn.
func (d *Dex) SignIn(ctx context.Context, begin, email, password string) (back string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	at, form := begin, url.Values(nil)
	for range maxSignInSteps {
		if !strings.HasPrefix(at, d.Issuer()+"/") {
			return at, nil
		}
		page, next, err := step(ctx, client, at, form)
		switch {
		case err != nil:
			return "", err
		case next != "":
			at, form = next, nil
		case form != nil && strings.Contains(page, "Invalid"):
			return "", ErrSignIn
		case form != nil:
			return "", fmt.Errorf("dex says neither yes nor no: %.2000s", page)
		default:
			action := formAction.FindStringSubmatch(page)
			if action == nil {
				return "", fmt.Errorf("dex shows no form: %.300s", page)
			}
			if at, err = resolve(at, html.UnescapeString(action[1])); err != nil {
				return "", err
			}
			form = url.Values{"login": {email}, "password": {password}}
		}
	}
	return "", errors.New("dex sends back and forth")
}

// ErrSignIn means that dex knows nobody with that address and password.
var ErrSignIn = errors.New("the address or the password is wrong")

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
