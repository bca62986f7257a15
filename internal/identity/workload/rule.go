package workload

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Rule trusts tokens of one issuer that were made for one audience and say certain things.
type Rule struct {
	Name string
	// Issuer is as tokens have it, and Audience is the one that they must have been made for, alone.
	Issuer, Audience string
	// Claims are the texts that each of these claims may be. They are compared whole.
	Claims map[string][]string
	// MaxAge is how long ago a token may have been made.
	MaxAge time.Duration
	// Principal is whom it acts as, Scopes what it is confined to, and Lifetime how long.
	Principal access.PrincipalID
	Scopes    []access.Scope
	Lifetime  time.Duration
}

// Bounds of a rule.
const (
	maxClaims       = 20
	maxAlternatives = 50
	maxClaimBytes   = 1024
)

// registered are the claims that say nothing of who it is (RFC 7519, section 4.1), but for sub.
var registered = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

// CheckClaims says what is wrong with the claims of a rule, above all that they confine it to nobody in particular.
func (r Rule) CheckClaims() error {
	switch {
	case len(r.Claims) == 0:
		return errors.New("a rule without claims trusts whoever has a token of this issuer; say who it is, as in sub: system:serviceaccount:ci:deployer")
	case len(r.Claims) > maxClaims:
		return fmt.Errorf("%d claims are more than %d", len(r.Claims), maxClaims)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		if slices.Contains(registered, name) {
			return fmt.Errorf("the claim %s says nothing of who it is; the issuer and the audience have keys of their own", name)
		}
		if err := checkValues(name, r.Claims[name]); err != nil {
			return err
		}
	}
	if isGitHub(r.Issuer) {
		return r.checkGitHub()
	}
	return nil
}

func checkValues(name string, values []string) error {
	if len(values) == 0 || len(values) > maxAlternatives {
		return fmt.Errorf("the claim %s: want 1 to %d values, of which one must fit", name, maxAlternatives)
	}
	for _, v := range values {
		switch {
		case v == "" || len(v) > maxClaimBytes:
			return fmt.Errorf("the claim %s: a value has 1 to %d bytes", name, maxClaimBytes)
		case strings.Contains(v, "*"):
			return fmt.Errorf("the claim %s: there are no patterns, values are compared whole; write each out", name)
		}
	}
	return nil
}

// CheckAudience says why tokens for the audience prove nothing: every workload has one, for others than Curfew.
func (r Rule) CheckAudience() error {
	switch {
	case r.Audience == "":
		return errors.New("audience is missing: what the tokens are made for, best the address of this Curfew, as in audience: https://curfew.example.com")
	case len(r.Audience) > maxClaimBytes:
		return fmt.Errorf("audience has more than %d bytes", maxClaimBytes)
	case r.Audience == r.Issuer, strings.HasPrefix(r.Audience, "https://kubernetes.default.svc"):
		return errors.New("this audience is that of the issuer itself, which tokens have that were made for no one else; have them made for Curfew alone")
	case isGitHub(r.Issuer) && strings.HasPrefix(r.Audience, "https://github.com/"):
		return errors.New("this audience is what GitHub takes where nobody names one, so whoever else is shown such a token could use it here; name an audience of Curfew's own")
	}
	return nil
}

// isGitHub reports whether the issuer is GitHub's: of github.com, of a company's own part of ghe.com, or of a server of one's own.
func isGitHub(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "token.actions.githubusercontent.com" || strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com") ||
		strings.HasSuffix(u.Path, "/_services/token")
}

// checkGitHub wants three things of a rule for GitHub Actions, whose issuer is everybody's. Names of owners and repositories can be
// given up and taken by somebody else, so one of them must be known by its ID. The repository must be known, since whoever may
// make one in an organisation writes workflows there. And so must be what in it may run: whoever may push any branch writes
// workflows too.
func (r Rule) checkGitHub() error {
	for _, need := range []struct {
		any []string
		why string
	}{
		{[]string{"repository_id", "repository_owner_id"}, "the names of repositories and of their owners can be taken by others once they are given up; their IDs cannot"},
		{[]string{"repository_id", "repository", "sub", "job_workflow_ref", "workflow_ref"}, "whoever may make a repository there could be it"},
		{[]string{"environment", "sub", "ref", "job_workflow_ref", "workflow_ref"}, "whoever may push a branch there could be it"},
	} {
		if !slices.ContainsFunc(need.any, func(name string) bool { return len(r.Claims[name]) > 0 }) {
			return fmt.Errorf("a rule for GitHub Actions needs one of the claims %s: %s", strings.Join(need.any, ", "), need.why)
		}
	}
	return nil
}

// fits reports whether a token says what the rule wants, and by what. A claim that is no text fits nothing.
func (r Rule) fits(c claims) (by map[string]string, ok bool) {
	by = make(map[string]string, len(r.Claims))
	for name, values := range r.Claims {
		value, isText := c.text(name)
		if !isText || !slices.Contains(values, value) {
			return nil, false
		}
		by[name] = value
	}
	return by, len(by) > 0
}
