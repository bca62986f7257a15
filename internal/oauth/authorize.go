package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/signin"
)

// order is what a program asks for when it sends somebody here (RFC 6749, section 4.1.1).
type order struct {
	// Redirect is where the program waits, and State what it wants to hear there again.
	Redirect string `json:"redirect"`
	State    string `json:"state"`
	// Challenge is of RFC 7636, S256.
	Challenge string `json:"challenge"`
	// UserCode is the code of a device, of which somebody has typed it; the fields above but State are empty then.
	UserCode string `json:"user_code,omitempty"`
	// Label names the program and the machine that it runs on.
	Label string `json:"label"`
}

// maxParameter bounds one parameter.
const maxParameter = 512

// authorize sends somebody on to the identity provider.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) error {
	o, err := readOrder(r.URL.Query())
	if err != nil {
		return err
	}
	return h.config.Desk.Send(w, r, signin.ForProgram, o)
}

// readOrder checks what a program asks for. What is wrong with it is shown here and not sent to its redirect: nobody knows yet
// whether anything there is to be trusted (RFC 6749, section 4.1.2.1).
func readOrder(query url.Values) (o order, err error) {
	invalid := func(format string, args ...any) (order, error) {
		return order{}, access.Errorf(access.KindInvalid, format, args...)
	}
	for name, values := range query {
		if len(values) > 1 || len(values[0]) > maxParameter {
			return invalid("The parameter %.32q comes twice, or is longer than %d bytes. Run `curfew login` again.", name, maxParameter)
		}
	}
	o = order{
		Redirect: query.Get("redirect_uri"), State: query.Get("state"), Challenge: query.Get("code_challenge"), Label: query.Get("label"),
	}
	if o.Label == "" {
		o.Label = "a program on your machine"
	}
	switch {
	case query.Get("client_id") != ClientID:
		return invalid("This program is not one of Curfew's: client_id is not %q.", ClientID)
	case query.Get("response_type") != "code":
		return invalid("Curfew answers with a code alone: response_type is not \"code\".")
	case !loopback(o.Redirect):
		return invalid("A program waits at http://127.0.0.1:PORT/ or http://[::1]:PORT/; this redirect_uri is neither.")
	case query.Get("code_challenge_method") != "S256" || !isChallenge(o.Challenge):
		return invalid("A sign-in needs a code_challenge of the method S256 (RFC 7636).")
	case o.State == "":
		return invalid("A sign-in needs a state, by which the program knows that the answer is for it.")
	}
	return o, nil
}

// loopback reports whether the address is one of this machine, given as a number (RFC 8252, sections 7.3 and 8.3).
func loopback(redirect string) bool {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	at, err := netip.ParseAddrPort(u.Host)
	return err == nil && at.Addr().IsLoopback() && !at.Addr().Is4In6() && at.Addr().Zone() == "" && at.Port() > 0
}

// newState is something that nobody guesses.
func newState() string { return rand.Text() }

// isChallenge reports whether a text has the form of SHA-256 in base64url.
func isChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}
