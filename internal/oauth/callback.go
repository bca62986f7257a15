package oauth

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/signin"
)

// question is what somebody is asked who comes back from the identity provider: whether they meant it. The browser keeps it for
// Curfew, sealed.
type question struct {
	Order order `json:"order"`
	// Code is what the sign-in has led to.
	Code  string    `json:"code"`
	Until time.Time `json:"until"`
}

const confirmCookie signin.Cookie = "sign-in-question"

// callback takes somebody whom the identity provider sends back, and asks whether they meant to sign the program in. Whoever
// has a session at the provider gets here without having pressed anything, so any link can bring them here.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) error {
	q := question{Until: h.config.Now().Add(signin.VisitLifetime)}
	source, account, err := h.config.Desk.Take(w, r, signin.ForProgram, &q.Order)
	if err != nil {
		return err
	}
	q.Code, err = h.config.Sessions.Begin(r.Context(), directory.SignIn{
		Source: source, Account: account, Label: q.Order.Label, Challenge: q.Order.Challenge,
	})
	if err != nil {
		return err
	}
	name := account.Name
	if name == "" {
		name = account.Subject
	}
	if err := h.config.Desk.Seal(w, confirmCookie, q, signin.VisitLifetime); err != nil {
		return err
	}
	return h.show(w, http.StatusOK, "confirm.html", map[string]string{
		"Name": name, "Label": q.Order.Label, "State": q.Order.State, "Code": q.Order.UserCode, "Action": ConfirmPath,
	}, programAt(q.Order.Redirect))
}

// confirm sends somebody who meant it back to their program, with the code.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) error {
	var q question
	if err := h.config.Desk.Open(r, confirmCookie, &q); err != nil || !h.config.Now().Before(q.Until) {
		return signin.ErrNoVisit
	}
	if err := r.ParseForm(); err != nil {
		return access.Wrap(access.KindInvalid, err, "This form cannot be read.")
	}
	// The page that asked was this visit's: the program's state is known to nobody else.
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("state")), []byte(q.Order.State)) != 1 {
		return signin.ErrNoVisit
	}
	h.forget(w)
	yes := r.PostForm.Get("answer") == "yes"
	if q.Order.UserCode != "" {
		return h.settleDevice(w, r, q, yes)
	}
	answer := url.Values{"state": {q.Order.State}, "iss": {h.config.URL}}
	if yes {
		answer.Set("code", q.Code)
	} else {
		answer.Set("error", "access_denied")
	}
	w.Header().Set("Content-Security-Policy", contentPolicy(programAt(q.Order.Redirect)))
	http.Redirect(w, r, q.Order.Redirect+"?"+answer.Encode(), http.StatusSeeOther)
	return nil
}

// forget has the browser drop what it has kept of a sign-in.
func (h *Handler) forget(w http.ResponseWriter) {
	h.config.Desk.Drop(w, signin.ForProgram)
	h.config.Desk.Drop(w, confirmCookie)
}
