package web

import (
	"errors"
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/signin"
)

// sessionCookie has the secret of a browser's session. It is a cookie until the browser is closed; when the session ends, Curfew says.
// It must come with a link from elsewhere (a request to review, in a chat), so it is no Strict one; what acts is posted, and from
// another site refused.
const sessionCookie signin.Cookie = "session"

// ownFunc serves a page of who is signed in.
type ownFunc func(http.ResponseWriter, *http.Request, access.Caller) error

// own lets in who is signed in, and bounds how often they act.
func (h *Handler) own(serve ownFunc) http.HandlerFunc {
	return h.page(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost {
			if err := h.acts.Admit(w, r, h.config.Now()); err != nil {
				return err
			}
		}
		caller, err := h.caller(w, r)
		if err != nil {
			return err
		}
		return serve(w, r, caller)
	})
}

// errNotSignedIn is the refusal of a browser without a session.
var errNotSignedIn = access.Errorf(access.KindUnauthenticated, "Sign in to see this page.")

// why says why somebody is not signed in; nothing where the page says all that there is to say.
func why(err error) string {
	if errors.Is(err, errNotSignedIn) {
		return ""
	}
	return access.SafeMessage(err)
}

// caller finds out who comes. The browser hears of a new secret before anything else is done, whatever that comes to.
func (h *Handler) caller(w http.ResponseWriter, r *http.Request) (access.Caller, error) {
	secret, ok := h.config.Desk.Get(r, sessionCookie)
	if !ok {
		return access.Caller{}, errNotSignedIn
	}
	caller, next, err := h.config.Sessions.Browse(r.Context(), secret)
	if access.KindOf(err) == access.KindUnauthenticated {
		h.config.Desk.Drop(w, sessionCookie)
		if tooOften := h.strangers.Admit(w, r, h.config.Now()); tooOften != nil {
			return caller, tooOften
		}
	}
	if err == nil && next != "" {
		h.config.Desk.Set(w, sessionCookie, next, 0)
	}
	return caller, err
}
