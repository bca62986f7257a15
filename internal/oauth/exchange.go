package oauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// Names of RFC 8693.
const (
	exchangeGrant   = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// exchange gives a workload a session for a token of its platform (RFC 8693, section 2). What it may ask for besides is refused and
// not ignored: it is the rule that says whom it acts as and what for.
func (h *Handler) exchange(r *http.Request, form url.Values) (any, error) {
	switch kind := form.Get("subject_token_type"); {
	case kind != typeJWT && kind != typeIDToken:
		return nil, refusal{http.StatusBadRequest, "invalid_request", "subject_token_type is " + typeJWT + " or " + typeIDToken}
	case form.Has("actor_token"):
		return nil, refusal{http.StatusBadRequest, "invalid_request", "nobody acts for a workload: there is no actor_token"}
	case form.Has("requested_token_type") && form.Get("requested_token_type") != typeAccessToken:
		return nil, refusal{http.StatusBadRequest, "invalid_request", "requested_token_type is " + typeAccessToken}
	case form.Has("audience"), form.Has("resource"), form.Has("scope"):
		return nil, refusal{http.StatusBadRequest, "invalid_target", "what the token is for is said by the rule that trusts the workload: send no audience, resource or scope"}
	}
	verifier := h.config.Workloads()
	if verifier == nil {
		return nil, access.Errorf(access.KindDenied, "No workload is trusted here: there are no rules (directory.workloads).")
	}
	w, err := verifier.Verify(r.Context(), form.Get("subject_token"))
	if err != nil {
		h.config.Log.WarnContext(r.Context(), "a workload's token is not exchanged", "error", err)
		return nil, err
	}
	token, s, err := h.config.Sessions.BeginWorkload(r.Context(), w)
	if err != nil {
		return nil, err
	}
	scopes := make([]string, len(s.Scopes))
	for i, scope := range s.Scopes {
		scopes[i] = string(scope)
	}
	answer := h.tokenFor(token, s)
	answer.IssuedTokenType, answer.Scope = typeAccessToken, strings.Join(scopes, " ")
	return answer, nil
}
