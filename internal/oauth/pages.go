package oauth

import (
	"embed"
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/page"
)

//go:embed pages
var files embed.FS

// templates are parsed when the program starts, so that one which does not parse is found then.
var templates = page.Parse(files, "pages/*.html")

// programAt is where the form of a page may lead that sends people back to a program.
func programAt(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil || redirect == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// contentPolicy lets a page send its form. Browsers hold redirects of a form against form-action too.
func contentPolicy(leads string) string {
	return page.ContentPolicy(strings.TrimSpace("'self' " + leads))
}

// show writes a page. leads is where its form may lead beside Curfew itself.
func (h *Handler) show(w http.ResponseWriter, status int, name string, data any, leads string) error {
	return page.Show(w, status, templates, name, data, contentPolicy(leads))
}

// What pages of errors are headed with.
const (
	notSignedIn  = "You are not signed in"
	notSignedOut = "You are not signed out there"
)

// page shows the errors of what people see in their browser.
func (h *Handler) page(heading string, serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h.visits.Admit(w, r, h.config.Now())
		if err == nil {
			err = serve(w, r)
		}
		if err == nil {
			return
		}
		kind := access.KindOf(err)
		h.config.Log.Log(r.Context(), page.Level(err), "a page did not lead on", "path", r.URL.Path, "error", err)
		if kind == access.KindUnauthenticated || kind == access.KindDenied {
			h.forget(w)
		}
		if err := h.show(w, kind.HTTPStatus(), "error.html", map[string]string{"Heading": heading, "Message": access.SafeMessage(err)}, ""); err != nil {
			http.Error(w, access.SafeMessage(nil), http.StatusInternalServerError)
		}
	}
}
