package mongodbatlas

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// spare is how long before its end a token is not used any more.
const spare = time.Minute

// tokens gets access tokens for the service account (RFC 6749, section 4.4), one at a time, and keeps the last one. A token is
// asked for under the context of the call that needs it.
type tokens struct {
	client     *http.Client
	clock      access.Clock
	url        string
	id, secret string
	// turn is taken by whoever looks at the token.
	turn  chan struct{}
	token string
	until time.Time
}

// get is a token that is valid; refused is one that was not, or empty.
func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.token != "" && t.token != refused && t.clock.Now().Before(t.until) {
		return t.token, nil
	}
	asked := t.clock.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	r.SetBasicAuth(url.QueryEscape(t.id), url.QueryEscape(t.secret)) // as section 2.3.1 wants them
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", refusal(answer, text)
	}
	var granted struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	if err := json.Unmarshal(text, &granted); err != nil || granted.Token == "" {
		return "", errors.New("the answer of the token's address holds no token") // and must not be repeated
	}
	t.token, t.until = granted.Token, asked.Add(time.Duration(granted.Seconds)*time.Second-spare)
	return t.token, nil
}
