package mongodbatlas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	// mediaType names the version of the calls that we make.
	mediaType = "application/vnd.atlas.2023-01-01+json"
	// authDatabase is the one that all users with a password belong to.
	authDatabase = "admin"
	// pageSize is the most that one answer lists, and maxPages bounds how many are read.
	pageSize = 500
	maxPages = 20
	// maxAnswer bounds what is read of one answer, and maxCode and maxDetail, in bytes, what is kept of one that is not success.
	maxAnswer = 4 << 20
	maxCode   = 64
	maxDetail = 500
)

// user is a database user of a project. The project is wanted in what is sent, though the address names it already.
type user struct {
	Project     string     `json:"groupId,omitempty"`
	Username    string     `json:"username"`
	Database    string     `json:"databaseName"`
	Password    string     `json:"password,omitempty"`
	DeleteAfter *time.Time `json:"deleteAfterDate,omitempty"`
	Labels      []label    `json:"labels"`
	Roles       []role     `json:"roles"`
	Scopes      []scope    `json:"scopes"`
}

type label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type role struct {
	Database string `json:"databaseName"`
	Name     string `json:"roleName"`
}

type scope struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// mark is ours, or another installation's; empty for somebody else's user.
func (u user) mark() access.Mark {
	for _, l := range u.Labels {
		if l.Key == "curfew" {
			return access.Mark(l.Value)
		}
	}
	return ""
}

// api calls Atlas for one project.
type api struct {
	client *http.Client
	tokens *tokens
	base   *url.URL
}

// newAPI makes a client, and calls nobody.
func newAPI(c Config, secret string, clock access.Clock) (*api, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// A redirect would carry what was sent to somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &api{
		client: client, base: base.JoinPath("/api/atlas/v2/groups", c.Project),
		tokens: &tokens{
			client: client, clock: clock, url: base.JoinPath("/api/oauth/token").String(), id: c.ClientID, secret: secret, turn: make(chan struct{}, 1),
		},
	}, nil
}

// apiError is an answer that is not success.
type apiError struct {
	Status     int
	Code       string `json:"errorCode"`
	Detail     string `json:"detail"`
	retryAfter time.Duration
}

// Error is for logs.
func (e *apiError) Error() string {
	return fmt.Sprintf("Atlas answers %d %s: %s", e.Status, e.Code, e.Detail)
}

// call sends one request, and once more with another token if Atlas does not take the one that we have.
func (a *api) call(ctx context.Context, method string, path []string, query url.Values, body, result any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	token, err := a.tokens.get(ctx, "")
	if err != nil {
		return err
	}
	answer, err := a.send(ctx, token, method, path, query, content)
	if isStatus(err, http.StatusUnauthorized) {
		if token, err = a.tokens.get(ctx, token); err != nil {
			return err
		}
		answer, err = a.send(ctx, token, method, path, query, content)
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(answer, result)
}

// send sends one request. Parts of the path are escaped.
func (a *api) send(ctx context.Context, token, method string, path []string, query url.Values, content []byte) ([]byte, error) {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	at := a.base.JoinPath(escaped...)
	at.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", mediaType)
	if content != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxAnswer:
		return nil, errors.New("an answer is longer than 4 MiB")
	case answer.StatusCode >= 300:
		return nil, refusal(answer, text)
	}
	return text, nil
}

// refusal reads an answer that is not success. What is not Atlas' own form tells its status alone, and what is long, its beginning:
// it is kept with the grant and in the log.
func refusal(answer *http.Response, text []byte) error {
	e := &apiError{}
	_ = json.Unmarshal(text, e) // a proxy on the way says it in its own way
	// Curfew's own access token is nowhere in the configuration, so that nobody else knows what must not be repeated.
	_, token, _ := strings.Cut(answer.Request.Header.Get("Authorization"), " ")
	e.Status, e.Code = answer.StatusCode, beginning(e.Code, maxCode)
	e.Detail = beginning(secret.NewRedactor(token).Text(e.Detail), maxDetail)
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
		e.retryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// beginning is at most the first n bytes of a text, whole characters of them.
func beginning(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// isStatus reports whether Atlas answered with the status.
func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.Status == status
}

// create makes a user.
func (a *api) create(ctx context.Context, u user) error {
	return a.call(ctx, http.MethodPost, []string{"databaseUsers"}, nil, u, nil)
}

// change names a user, and what of it is changed; what is not set stays.
type change struct {
	Project     string     `json:"groupId"`
	Username    string     `json:"username"`
	Database    string     `json:"databaseName"`
	Password    string     `json:"password,omitempty"`
	DeleteAfter *time.Time `json:"deleteAfterDate,omitempty"`
	Roles       []role     `json:"roles,omitempty"`
	Scopes      []scope    `json:"scopes,omitempty"`
}

// update changes a user.
func (a *api) update(ctx context.Context, c change) error {
	return a.call(ctx, http.MethodPatch, []string{"databaseUsers", c.Database, c.Username}, nil, c, nil)
}

// remove deletes a user. One that is not there is fine; that the project is there, reading back tells.
func (a *api) remove(ctx context.Context, name string) error {
	err := a.call(ctx, http.MethodDelete, []string{"databaseUsers", authDatabase, name}, nil, nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// users are all of the project. Who may not see them gets an error, never an empty list.
func (a *api) users(ctx context.Context) (all []user, err error) {
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Results []user `json:"results"`
			Total   int    `json:"totalCount"`
		}
		query := url.Values{"itemsPerPage": {strconv.Itoa(pageSize)}, "pageNum": {strconv.Itoa(page)}, "includeCount": {"true"}}
		if err := a.call(ctx, http.MethodGet, []string{"databaseUsers"}, query, nil, &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Results...)
		switch {
		case len(answer.Results) == pageSize:
		case len(all) < answer.Total: // users went from pages that were read, or pages are smaller than was asked for
			return nil, access.Errorf(access.KindUnavailable, "Atlas lists %d of its %d database users; try again.", len(all), answer.Total)
		default:
			return all, nil
		}
	}
	return nil, access.Errorf(access.KindExhausted, "The project has more than %d database users; that is more than is read.", pageSize*maxPages)
}

// applied reports whether the cluster has taken over every change of users.
func (a *api) applied(ctx context.Context, cluster string) (bool, error) {
	var answer struct {
		Status string `json:"changeStatus"`
	}
	err := a.call(ctx, http.MethodGet, []string{"clusters", cluster, "status"}, nil, nil, &answer)
	return answer.Status == "APPLIED", err
}
