package oauth

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew/internal/access"
)

// tokenAnswer is of RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	// IssuedTokenType is of RFC 8693, section 2.2.1, and Scope what the token is confined to.
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	Scope           string `json:"scope,omitempty"`
	TokenType       string `json:"token_type"`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// refusal is of RFC 6749, section 5.2.
type refusal struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error implements error.
func (r refusal) Error() string { return r.Code + ": " + r.Description }

// token gives programs their tokens.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) {
	answer, err := any(nil), h.calls.Admit(w, r, h.config.Now())
	if err == nil {
		answer, err = h.grant(r)
	}
	if err != nil {
		answerJSON(w, h.refuse(r, err))
		return
	}
	answerJSON(w, answer)
}

func (h *Handler) grant(r *http.Request) (any, error) {
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if form.Get("client_id") != ClientID {
		return nil, errClient
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return h.redeem(r, form)
	case deviceGrant:
		return h.askDevice(r, form)
	case exchangeGrant:
		return h.exchange(r, form)
	}
	return nil, refusal{http.StatusBadRequest, "unsupported_grant_type", "grant_type is authorization_code, " + deviceGrant + " or " + exchangeGrant}
}

// redeem takes the code of a sign-in.
func (h *Handler) redeem(r *http.Request, form url.Values) (any, error) {
	token, s, err := h.config.Sessions.Redeem(r.Context(), form.Get("code"), form.Get("code_verifier"))
	if err != nil {
		return nil, err
	}
	return h.tokenFor(token, s), nil
}

func (h *Handler) tokenFor(token string, s access.Session) tokenAnswer {
	return tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: int64(s.EndsAt.Sub(h.config.Now()).Seconds())}
}

// errClient is the refusal of a program that is none of Curfew's.
var errClient = refusal{http.StatusBadRequest, "invalid_client", "client_id is not " + ClientID}

// readForm reads the parameters of a program's call: in its body alone, and each once.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return nil, refusal{http.StatusBadRequest, "invalid_request", "the parameters come as application/x-www-form-urlencoded"}
	}
	if err := r.ParseForm(); err != nil {
		return nil, refusal{http.StatusBadRequest, "invalid_request", "the parameters cannot be read"}
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, refusal{http.StatusBadRequest, "invalid_request", "a parameter comes twice"}
		}
	}
	return r.PostForm, nil
}

// refuse makes an error one of the protocol.
func (h *Handler) refuse(r *http.Request, err error) refusal {
	if known, ok := errors.AsType[refusal](err); ok {
		return known
	}
	switch kind := access.KindOf(err); kind {
	case access.KindUnauthenticated, access.KindDenied:
		return refusal{http.StatusBadRequest, "invalid_grant", access.SafeMessage(err)}
	case access.KindInvalid, access.KindNotFound:
		return refusal{http.StatusBadRequest, "invalid_request", access.SafeMessage(err)}
	case access.KindUnavailable, access.KindTimeout, access.KindExhausted, access.KindConflict:
		h.config.Log.WarnContext(r.Context(), "a token cannot be given now", "error", err)
		return refusal{kind.HTTPStatus(), "temporarily_unavailable", access.SafeMessage(err)}
	default:
		h.config.Log.ErrorContext(r.Context(), "a token could not be given", "error", err)
		return refusal{http.StatusInternalServerError, "server_error", access.SafeMessage(nil)}
	}
}

// answerJSON writes an answer of the protocol. No cache may keep it.
func answerJSON(w http.ResponseWriter, v any) {
	status := http.StatusOK
	if r, ok := v.(refusal); ok {
		status = r.status
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that has gone away is no error of ours.
	_ = json.NewEncoder(w).Encode(v)
}

// metadata says where everything is (RFC 8414).
func (h *Handler) metadata(w http.ResponseWriter, _ *http.Request) {
	at := h.config.URL
	answerJSON(w, map[string]any{
		"issuer": at, "authorization_endpoint": at + AuthorizePath, "token_endpoint": at + TokenPath,
		"device_authorization_endpoint": at + BeginDevicePath,
		"response_types_supported":      []string{"code"}, "grant_types_supported": []string{"authorization_code", deviceGrant, exchangeGrant},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"authorization_response_iss_parameter_supported": true,
	})
}
