package web

import (
	"embed"
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/page"
	"github.com/curfewhq/curfew/internal/signin"
)

//go:embed pages
var files embed.FS

// templates are parsed when the program starts, so that one which does not parse is found then.
var templates = page.Parse(files, "pages/*.html")

// screen is what a page shows.
type screen struct {
	Title string
	// Who is signed in, and Here which entry of the navigation this is; both are empty where nobody is.
	Who, Here string
	// Message is what to say above all.
	Message string
	// CanSignIn says that there is an identity provider, and To which page a sign-in leads to.
	CanSignIn bool
	To        string
	// Data is the page's own.
	Data any
}

// Navigation are the pages that every page of who is signed in leads to.
func (screen) Navigation() []struct{ Path, Name string } {
	return []struct{ Path, Name string }{{accountPath, "Account"}, {sessionsPath, "Sessions"}, {passkeysPath, "Passkeys"}}
}

// show writes a page. Its forms lead to Curfew, and by way of it to the identity provider.
func (h *Handler) show(w http.ResponseWriter, status int, name string, s screen) error {
	return page.Show(w, status, templates, name, s, page.ContentPolicy("'self' "+signin.ProviderForms))
}

// showOwn writes a page of who is signed in.
func (h *Handler) showOwn(w http.ResponseWriter, caller access.Caller, name string, s screen) error {
	if s.Who = caller.Name; s.Who == "" {
		s.Who = caller.ID.Subject
	}
	return page.Show(w, http.StatusOK, templates, name, s, page.ContentPolicy("'self'"))
}

// showSignIn shows where to sign in, and why.
func (h *Handler) showSignIn(w http.ResponseWriter, r *http.Request, status int, title, message string) error {
	_, err := h.config.Desk.Provider()
	if err != nil && message == "" {
		message = access.SafeMessage(err)
	}
	return h.show(w, status, "signin.html", screen{Title: title, Message: message, CanSignIn: err == nil, To: readOrder(r.URL.Path).To})
}

// pageFunc serves a page.
type pageFunc func(http.ResponseWriter, *http.Request) error

// page shows the errors of what people see in their browser.
func (h *Handler) page(serve pageFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		kind := access.KindOf(err)
		h.config.Log.Log(r.Context(), page.Level(err), "a page was not shown", "pattern", r.Pattern, "error", err)
		if kind == access.KindUnauthenticated {
			err = h.showSignIn(w, r, kind.HTTPStatus(), "You are not signed in", why(err))
		} else {
			err = h.show(w, kind.HTTPStatus(), "error.html", screen{Title: "This did not work", Message: access.SafeMessage(err)})
		}
		if err != nil {
			http.Error(w, access.SafeMessage(nil), http.StatusInternalServerError)
		}
	}
}
