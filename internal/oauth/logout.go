package oauth

import (
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/signin"
)

// departure is somebody on their way to sign out at the identity provider, which their browser keeps for Curfew.
type departure struct {
	State string    `json:"state"`
	Until time.Time `json:"until"`
}

const signOutCookie signin.Cookie = "sign-out"

// logout sends somebody on to the page at which they sign out at the identity provider (OpenID Connect RP-Initiated Logout 1.0).
// Nothing ends here by it: any link can bring people here, and the provider asks whether they mean it.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) error {
	d := departure{State: newState(), Until: h.config.Now().Add(signin.VisitLifetime)}
	page, err := h.config.Desk.ExitPage(r.Context(), d.State)
	if err != nil {
		return err
	}
	if err := h.config.Desk.Seal(w, signOutCookie, d, signin.VisitLifetime); err != nil {
		return err
	}
	http.Redirect(w, r, page, http.StatusSeeOther)
	return nil
}

// signedOut takes somebody whom the identity provider sends back.
func (h *Handler) signedOut(w http.ResponseWriter, r *http.Request) error {
	var d departure
	err := h.config.Desk.Open(r, signOutCookie, &d)
	h.config.Desk.Drop(w, signOutCookie)
	if err != nil || !h.config.Now().Before(d.Until) || subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(d.State)) != 1 {
		return access.Errorf(access.KindUnauthenticated, "This browser was not on its way to sign out, or it took too long. Run `curfew logout --provider` again.")
	}
	return h.show(w, http.StatusOK, "done.html", map[string]string{"Message": "You are signed out at your identity provider. You can close this page."}, "")
}

// backChannelLogout takes the identity provider's word that sessions have ended at it (OpenID Connect Back-Channel Logout 1.0).
// The provider's server sends it, and no browser: it has no cookie and no Origin, and its signature is all that it is believed by.
func (h *Handler) backChannelLogout(w http.ResponseWriter, r *http.Request) {
	err := h.logouts.Admit(w, r, h.config.Now())
	if err == nil {
		err = h.endSessions(r)
	}
	if err == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		return
	}
	said := h.refuse(r, err)
	if said.Code == "invalid_grant" { // which there is none of here
		h.config.Log.WarnContext(r.Context(), "a logout token is not believed", "error", err)
		said.Code = "invalid_request"
	}
	if said.status != http.StatusTooManyRequests {
		said.status = http.StatusBadRequest // whatever kept it from being done (section 2.8)
	}
	answerJSON(w, said)
}

func (h *Handler) endSessions(r *http.Request) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	if !form.Has("logout_token") {
		return access.Errorf(access.KindInvalid, "logout_token is missing")
	}
	p, err := h.config.Desk.Provider()
	if err != nil {
		return err
	}
	told, err := p.Ended(r.Context(), form.Get("logout_token"))
	if err != nil {
		return err
	}
	n, err := h.config.Sessions.EndedAtProvider(r.Context(), p.Source, told)
	if err == nil {
		h.config.Log.InfoContext(r.Context(), "the identity provider has ended sessions", "source", p.Source, "sessions", n)
	}
	return err
}
