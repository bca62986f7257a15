// Package page is the frame of all that people see of Curfew in a browser: the layout, the style, and the headers under which a
// page is sent.
//
// It owns nothing of what the pages say, nor who may see them: that is for the packages that show them.
package page

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
)

//go:embed layout.html style.css
var files embed.FS

// StylePath is where the style of all pages is.
const StylePath = "/pages/style.css"

// Parse parses the pages that match, with the layout: {{template "head" TITLE}} and {{template "foot"}}. It panics where one does
// not parse, so that this is found when the program starts.
func Parse(pages fs.FS, pattern string) *template.Template {
	return template.Must(template.Must(template.ParseFS(files, "layout.html")).ParseFS(pages, pattern))
}

// Show writes a page. The content policy says what the page may do; see ContentPolicy.
func Show(w http.ResponseWriter, status int, t *template.Template, name string, data any, contentPolicy string) error {
	var text bytes.Buffer
	if err := t.ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.WriteHeader(status)
	// A browser that has gone away is no error of ours.
	_, _ = text.WriteTo(w)
	return nil
}

// Level is how an error is logged that somebody was shown on a page: as one, where somebody who runs Curfew must do something.
func Level(err error) slog.Level {
	switch access.KindOf(err) {
	case access.KindInternal, access.KindMisconfigured, access.KindUnavailable:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// ContentPolicy lets a page have its style and send forms to these addresses, and nothing else but what is added.
func ContentPolicy(forms string, more ...string) string {
	policy := "default-src 'none'; style-src 'self'; form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
	for _, one := range more {
		policy += "; " + one
	}
	return policy
}

// Style serves the style.
func Style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "style.css")
}
