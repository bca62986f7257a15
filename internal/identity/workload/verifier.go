package workload

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
)

const (
	// MaxToken is how long a token may be, in bytes. Those of GitHub and Kubernetes have less than 2 KiB.
	MaxToken = 8 << 10
	// skew is by how much an issuer's clock may differ from ours.
	skew = 30 * time.Second
	// perSecond and burst bound how often one rule lets somebody in.
	perSecond = 10
	burst     = 100
)

// Config is what a Verifier goes by.
type Config struct {
	// Rules are tried in their order; the first that fits counts.
	Rules []Rule
	// Keys are where each issuer's are, by the issuer; one that is not here is asked.
	Keys map[string]KeySource
	// Now is the time by which tokens are judged.
	Now func() time.Time
}

// Verifier implements identity.WorkloadVerifier.
type Verifier struct {
	now   func() time.Time
	rules map[string][]trusted // by issuer
	keys  map[string]*keys
}

// trusted is a rule, and how often it may still let somebody in.
type trusted struct {
	Rule
	limit *rate.Limiter
}

// New makes a Verifier. No issuer is asked before the first of its tokens comes, so that Curfew starts without it.
func New(c Config) (*Verifier, error) {
	v := &Verifier{now: c.Now, rules: map[string][]trusted{}, keys: map[string]*keys{}}
	for _, r := range c.Rules {
		if v.keys[r.Issuer] == nil {
			k, err := newKeys(r.Issuer, c.Keys[r.Issuer], c.Now)
			if err != nil {
				return nil, fmt.Errorf("the keys of the issuer %s: %w", r.Issuer, err)
			}
			v.keys[r.Issuer] = k
		}
		v.rules[r.Issuer] = append(v.rules[r.Issuer], trusted{r, rate.NewLimiter(perSecond, burst)})
	}
	return v, nil
}

// Verify implements identity.WorkloadVerifier. Who brings a token learns little of why it is not believed: anybody in the world
// has one of a public platform. The causes are for operators, and have no token in them.
func (v *Verifier) Verify(ctx context.Context, token string) (w identity.Workload, err error) {
	issuer, err := unverifiedIssuer(token)
	if err != nil {
		return w, refused(err)
	}
	keys, known := v.keys[issuer]
	if !known {
		return w, refused(fmt.Errorf("no rule trusts the issuer %.200q", issuer))
	}
	payload, err := keys.payload(ctx, token)
	switch {
	case errors.Is(err, errKeys):
		return w, access.Wrap(access.KindUnavailable, fmt.Errorf("the issuer %s: %w", issuer, err), "The keys of this token's issuer cannot be read now; try again.")
	case ctx.Err() != nil:
		return w, ctx.Err()
	case err != nil:
		return w, refused(fmt.Errorf("a token that says it is of %s: %w", issuer, err))
	}
	c, err := readClaims(payload)
	if err != nil {
		return w, refused(err)
	}
	return v.judge(issuer, c)
}

// judge finds the rule that a token fits which its issuer has signed.
func (v *Verifier) judge(issuer string, c claims) (w identity.Workload, err error) {
	// Whose keys they were was read out of the same text, but by other code than has verified it.
	if signed, _ := c.text("iss"); signed != issuer {
		return w, refused(errors.New("the token names two issuers"))
	}
	subject, ok := c.text("sub")
	if !ok || subject == "" || len(subject) > maxClaimBytes || !printable(subject) {
		return w, refused(errors.New("the token names no subject"))
	}
	audience, ok := c.audience()
	if !ok {
		return w, refused(fmt.Errorf("the token of %.200q is not for one audience", subject))
	}
	made, err := v.checkTimes(c)
	if err != nil {
		return w, refused(fmt.Errorf("the token of %.200q: %w", subject, err))
	}
	for _, r := range v.rules[issuer] {
		by, fits := r.fits(c)
		if r.Audience != audience || !fits || v.now().Sub(made) > r.MaxAge+skew {
			continue
		}
		if !r.limit.AllowN(v.now(), 1) {
			return w, access.Errorf(access.KindExhausted, "Too many tokens are exchanged at once; try again in a moment.")
		}
		w = identity.Workload{
			Rule: r.Name, Principal: r.Principal, Scopes: r.Scopes, Lifetime: r.Lifetime, Issuer: issuer, Subject: subject, Claims: by,
		}
		if id, _ := c.text("jti"); len(id) <= maxClaimBytes && printable(id) {
			w.TokenID = id
		}
		return w, nil
	}
	return w, refused(fmt.Errorf("no rule fits the token of %.200q for %.200q, made at %s", subject, audience, made.UTC().Format(time.RFC3339)))
}

// checkTimes holds a token against the clock, and says when it was made.
func (v *Verifier) checkTimes(c claims) (made time.Time, err error) {
	now := v.now()
	ends, err := c.moment("exp")
	if err != nil {
		return made, err
	}
	begins, err := c.moment("nbf")
	if err != nil {
		return made, err
	}
	if made, err = c.moment("iat"); err != nil {
		return made, err
	}
	switch {
	case ends.IsZero() || made.IsZero():
		return made, errors.New("it does not say when it was made and when it ends")
	case !now.Before(ends.Add(skew)):
		return made, fmt.Errorf("it ended at %s", ends.UTC().Format(time.RFC3339))
	case now.Add(skew).Before(begins), now.Add(skew).Before(made):
		return made, errors.New("it is not good yet; the clocks differ")
	}
	return made, nil
}

// unverifiedIssuer reads, before anything is believed, whose keys to hold the token against.
func unverifiedIssuer(token string) (string, error) {
	if len(token) > MaxToken {
		return "", fmt.Errorf("the token has more than %d bytes", MaxToken)
	}
	parts := bytes.Split([]byte(token), []byte("."))
	if len(parts) != 3 {
		return "", errors.New("it is no signed token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil {
		return "", errors.New("it is no signed token")
	}
	c, err := readClaims(payload)
	if err != nil {
		return "", err
	}
	issuer, _ := c.text("iss")
	return issuer, nil
}

func printable(s string) bool {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func refused(err error) error {
	return access.Wrap(access.KindUnauthenticated, err,
		"No rule of this Curfew trusts this token: it is not signed by an issuer that it trusts, not for its audience, too old, or of something else. Its log says which, to who administers it.")
}
