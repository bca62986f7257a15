package signin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// Sealer seals what a browser keeps for Curfew.
type Sealer interface {
	Seal(p secret.Place, plaintext []byte) ([]byte, error)
	Open(p secret.Place, sealed []byte) ([]byte, error)
}

// Cookie tells what a browser keeps for one purpose from what it keeps for another.
type Cookie string

// Cookies are what browsers keep for Curfew.
type Cookies struct {
	// secure says that people come over TLS.
	secure bool
	sealer Sealer
}

// NewCookies are those of who comes to Curfew at a URL.
func NewCookies(at string, sealer Sealer) Cookies {
	u, err := url.Parse(at)
	return Cookies{secure: err == nil && u.Scheme == "https", sealer: sealer}
}

// Name is what the browser calls it. Over TLS it binds the cookie to this host: no neighbour can set one of that name. Over plain
// HTTP, which is on one machine alone, browsers take no such name.
func (c Cookies) Name(name Cookie) string {
	if c.secure {
		return "__Host-curfew-" + string(name)
	}
	return "curfew-" + string(name)
}

// Set gives the browser something to keep; for no lifetime, until it is closed. It comes back when somebody follows a link to
// here, as from their identity provider or out of a chat, which Strict would prevent; and never with another site's POST.
func (c Cookies) Set(w http.ResponseWriter, name Cookie, value string, lifetime time.Duration) {
	http.SetCookie(w, c.cookie(name, value, int(lifetime.Seconds())))
}

// Drop has the browser keep it no more.
func (c Cookies) Drop(w http.ResponseWriter, name Cookie) { http.SetCookie(w, c.cookie(name, "", -1)) }

func (c Cookies) cookie(name Cookie, value string, age int) *http.Cookie {
	kept := &http.Cookie{Name: c.Name(name), Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if c.secure {
		kept.Secure = true
	}
	return kept
}

// Get is what the browser has kept. Where it has two of the name, nobody knows which of them Curfew has set.
func (c Cookies) Get(r *http.Request, name Cookie) (value string, ok bool) {
	kept := r.CookiesNamed(c.Name(name))
	if len(kept) != 1 {
		return "", false
	}
	return kept[0].Value, true
}

// place binds what is sealed to what it is for.
func (name Cookie) place() secret.Place {
	return secret.Place{Table: "cookies", Row: string(name), Column: "visit"}
}

// Seal gives the browser something to keep that nobody else can read and it cannot change.
func (c Cookies) Seal(w http.ResponseWriter, name Cookie, v any, lifetime time.Duration) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sealed, err := c.sealer.Seal(name.place(), plain)
	if err != nil {
		return err
	}
	c.Set(w, name, base64.RawURLEncoding.EncodeToString(sealed), lifetime)
	return nil
}

// errNotKept is the answer where a browser has not kept what is looked for, whatever it has.
var errNotKept = access.Errorf(access.KindUnauthenticated, "This browser has nothing under way here.")

// Open reads what the browser has kept sealed.
func (c Cookies) Open(r *http.Request, name Cookie, into any) error {
	kept, ok := c.Get(r, name)
	if !ok {
		return errNotKept
	}
	sealed, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil {
		return errNotKept
	}
	plain, err := c.sealer.Open(name.place(), sealed)
	if err != nil || json.Unmarshal(plain, into) != nil {
		return errNotKept
	}
	return nil
}
