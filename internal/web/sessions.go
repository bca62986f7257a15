package web

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// sessionsPage is how many sessions one page shows.
const sessionsPage = 100

// session is where somebody is signed in, or a token of theirs.
type session struct {
	access.Session
	// Mine says that it is of the principal who looks, and not of a service or an agent of theirs, or another account.
	Mine bool
	// Current says that it is this browser's.
	Current           bool
	Began, Used, Ends moment
}

// KindText says what it is in words.
func (s session) KindText() string {
	switch s.Kind {
	case access.SessionSignIn:
		return "program"
	case access.SessionBrowser:
		return "browser"
	case access.SessionToken:
		return "token"
	case access.SessionWorkload:
		return "workload"
	}
	return string(s.Kind)
}

// sessions lists them, newest first.
func (h *Handler) sessions(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	list, next, err := h.config.Sessions.Sessions(r.Context(), caller.Principal, store.Page{After: r.URL.Query().Get("after"), Limit: sessionsPage})
	if err != nil {
		return err
	}
	data := struct {
		Items []session
		Next  string
		Ended bool
	}{Next: next, Ended: r.URL.Query().Has("ended")}
	for _, s := range list {
		data.Items = append(data.Items, session{
			Session: s, Mine: s.Principal == caller.ID, Current: s.ID == caller.Session.ID, Began: h.moment(s.CreatedAt), Used: h.moment(s.UsedAt), Ends: h.moment(s.EndsAt),
		})
	}
	return h.showOwn(w, caller, "sessions.html", screen{Title: "Your sessions", Here: sessionsPath, Data: data})
}

// endSession ends one of them.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	id := access.SessionID(r.PathValue("id"))
	if id == caller.Session.ID {
		return h.signOut(w, r, caller)
	}
	if err := h.config.Sessions.SignOut(r.Context(), caller.Principal, id); err != nil {
		return err
	}
	http.Redirect(w, r, sessionsPath+"?ended", http.StatusSeeOther)
	return nil
}
