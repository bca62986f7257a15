package passkey

import (
	"embed"
	"encoding/json"
	"io"
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/page"
)

//go:embed pages
var files embed.FS

// templates are parsed when the program starts, so that one which does not parse is found then.
var templates = page.Parse(files, "pages/*.html")

// Path begins the address of every ceremony.
const Path = "/confirm/"

// maxAnswer bounds what a browser sends.
const maxAnswer = 64 << 10

// contentPolicy lets a page run our script, which talks to nobody else.
func contentPolicy() string {
	return page.ContentPolicy("'self'", "script-src 'self'", "connect-src 'self'")
}

func (k *Keeper) routes() {
	k.mux.HandleFunc("GET "+Path+"script.js", script)
	k.mux.HandleFunc("GET "+Path+"{link}", k.page(k.show))
	k.mux.HandleFunc("POST "+Path+"{link}/refuse", k.page(k.refuse))
	k.mux.HandleFunc("POST "+Path+"{link}/answer", k.call(func(r *http.Request, body []byte) (bool, []string, error) {
		return k.Finish(r.Context(), r.PathValue("link"), body)
	}))
	k.mux.HandleFunc("POST "+Path+"{link}/recover", k.call(func(r *http.Request, body []byte) (bool, []string, error) {
		var said struct{ Code string }
		if err := json.Unmarshal(body, &said); err != nil {
			return false, nil, access.Wrap(access.KindInvalid, err, "This cannot be read.")
		}
		return k.Recover(r.Context(), r.PathValue("link"), said.Code)
	}))
}

// admit bounds what is posted.
func (k *Keeper) admit(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	return k.acts.Admit(w, r, k.config.Now())
}

// ServeHTTP serves the pages. A POST that another site's page sends is refused.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.NewCrossOriginProtection().Handler(k.mux).ServeHTTP(w, r)
}

// screen is what a page shows.
type screen struct {
	Purpose string
	Link    string
	// Who is asked, and Label the passkey that it is about.
	Who, Label string
	// Of is what is confirmed; nil where that is none.
	Of *engine.Confirmable
	// Review is what a reviewer says.
	Review engine.Opinion
	// Create, Recoverable and Known say what the browser may be asked for: a new passkey, a recovery code, a passkey that is there.
	Create, Recoverable, Known bool
	// Options are for the browser.
	Options string
}

// show shows what is to be confirmed, as it is now.
func (k *Keeper) show(w http.ResponseWriter, r *http.Request) error {
	v, err := k.visit(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	s := screen{
		Purpose: string(v.state.Purpose), Link: r.PathValue("link"), Who: v.user.WebAuthnDisplayName(), Label: v.state.Label, Create: v.state.Create,
		Recoverable: v.recoverable(), Known: len(v.state.Options) > 0, Options: string(v.state.Options), Review: v.state.opinion(),
	}
	switch {
	case v.state.Refused != "":
		return access.Errorf(access.KindConflict, "%s", v.state.Refused)
	case !v.DoneAt.IsZero():
		return page.Show(w, http.StatusOK, templates, "done.html", s, contentPolicy())
	}
	if s.Of, err = k.of(r, v); err != nil {
		return err
	}
	return page.Show(w, http.StatusOK, templates, "ceremony.html", s, contentPolicy())
}

// of finds what is confirmed, which must be what it was when the ceremony began.
func (k *Keeper) of(r *http.Request, v visit) (*engine.Confirmable, error) {
	var what engine.Confirmable
	var err error
	switch v.state.Purpose {
	case confirmRequest:
		what, err = k.config.Engine.ToConfirm(r.Context(), v.user.Principal, v.state.Request)
	case confirmReview:
		what, err = k.config.Engine.ToConfirmReview(r.Context(), v.user.Principal, v.state.Request, v.state.opinion())
	default:
		return nil, nil
	}
	if err == nil && string(what.Hash) != string(v.state.Hash) {
		err = access.Errorf(access.KindConflict, "What was to be confirmed has changed meanwhile. Begin again in the program that brought you here.")
	}
	return &what, err
}

// refuse ends a ceremony.
func (k *Keeper) refuse(w http.ResponseWriter, r *http.Request) error {
	if err := k.Refuse(r.Context(), r.PathValue("link")); err != nil {
		return err
	}
	return page.Show(w, http.StatusOK, templates, "refused.html", nil, contentPolicy())
}

// page shows the errors of what people see in their browser.
func (k *Keeper) page(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := k.admit(w, r)
		if err == nil {
			err = serve(w, r)
		}
		if err == nil {
			return
		}
		k.log(r, err)
		if err := page.Show(w, access.KindOf(err).HTTPStatus(), templates, "error.html", access.SafeMessage(err), contentPolicy()); err != nil {
			http.Error(w, access.SafeMessage(nil), http.StatusInternalServerError)
		}
	}
}

// said is what the script hears.
type said struct {
	// More says that the page has a further step.
	More bool `json:"more,omitempty"`
	// Codes are shown this once.
	Codes []string `json:"codes,omitempty"`
	// Error is a sentence to show.
	Error string `json:"error,omitempty"`
}

// call answers the script.
func (k *Keeper) call(do func(r *http.Request, body []byte) (more bool, codes []string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusOK, said{}
		err := k.admit(w, r)
		if err == nil {
			answer.More, answer.Codes, err = withBody(r, do)
		}
		if err != nil {
			k.log(r, err)
			status, answer = access.KindOf(err).HTTPStatus(), said{Error: access.SafeMessage(err)}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		// A browser that has gone away is no error of ours.
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// withBody reads what the script sends.
func withBody(r *http.Request, do func(r *http.Request, body []byte) (more bool, codes []string, err error)) (bool, []string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false, nil, access.Wrap(access.KindInvalid, err, "This is too long, or came broken.")
	}
	return do(r, body)
}

func (k *Keeper) log(r *http.Request, err error) {
	k.config.Log.Log(r.Context(), page.Level(err), "a ceremony did not succeed", "error", err)
}

// script serves the script of the pages.
func script(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "pages/script.js")
}
