package web

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/signin"
)

// signOut ends the session of this browser.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	if err := h.config.Sessions.SignOut(r.Context(), caller.Principal, caller.Session.ID); err != nil {
		return err
	}
	h.leave(w, r)
	return nil
}

// signOutEverywhere ends all that somebody has, this browser's session too.
func (h *Handler) signOutEverywhere(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	if _, err := h.config.Sessions.SignOutEverywhere(r.Context(), caller.Principal); err != nil {
		return err
	}
	h.leave(w, r)
	return nil
}

// leave has the browser forget the session that has ended, and says so.
func (h *Handler) leave(w http.ResponseWriter, r *http.Request) {
	h.config.Desk.Drop(w, sessionCookie)
	http.Redirect(w, r, signedOutPath, http.StatusSeeOther)
}

// signedOut says that a session has ended, and where to sign out besides.
func (h *Handler) signedOut(w http.ResponseWriter, r *http.Request) error {
	s := screen{Title: "You are signed out"}
	if h.config.Desk.HasExit(r.Context()) {
		s.Data = signin.LogoutPath
	}
	return h.show(w, http.StatusOK, "signedout.html", s)
}
