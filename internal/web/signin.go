package web

import (
	"net/http"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/signin"
)

// order is what the browser keeps of where somebody wanted to.
type order struct {
	To string `json:"to"`
}

// readOrder takes a path of a page of ours, and nothing else: a sign-in leads nowhere that somebody else has chosen.
func readOrder(to string) order {
	if !slices.Contains([]string{accountPath, sessionsPath, passkeysPath}, to) {
		to = accountPath
	}
	return order{To: to}
}

// signIn asks whether somebody wants to sign in.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) error {
	return h.showSignIn(w, r, http.StatusOK, "Sign in", "")
}

// begin sends somebody to their identity provider. It takes a POST of a page of ours: a link from elsewhere begins nothing, so it
// signs nobody in silently, as themselves or as somebody else.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return access.Wrap(access.KindInvalid, err, "This form cannot be read.")
	}
	return h.config.Desk.Send(w, r, signin.ForBrowser, readOrder(r.PostForm.Get("to")))
}

// callback takes somebody whom the identity provider sends back, in the browser that began: the visit is in its cookie alone. So
// nobody is asked here whether they meant it. What the browser was signed in as before ends, whoever that was.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) error {
	var o order
	source, account, err := h.config.Desk.Take(w, r, signin.ForBrowser, &o)
	if err != nil {
		return err
	}
	had, _ := h.config.Desk.Get(r, sessionCookie)
	secret, _, err := h.config.Sessions.BeginBrowser(r.Context(), directory.SignIn{
		Source: source, Account: account, Label: browserLabel(r.UserAgent()),
	}, had)
	if err != nil {
		return err
	}
	h.config.Desk.Set(w, sessionCookie, secret, 0)
	http.Redirect(w, r, readOrder(o.To).To, http.StatusSeeOther)
	return nil
}
