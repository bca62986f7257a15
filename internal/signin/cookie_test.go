package signin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/signin"
)

// set is the cookie that a browser is given.
func set(t *testing.T, give func(http.ResponseWriter)) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	give(w)
	given := w.Result().Cookies()
	if len(given) != 1 {
		t.Fatalf("given is %v", given)
	}
	return given[0]
}

// Over TLS a cookie is this host's alone; over plain HTTP browsers would not take one of that name.
func TestCookieNames(t *testing.T) {
	for at, want := range map[string]http.Cookie{
		"https://curfew.acme.example": {Name: "__Host-curfew-x", Secure: true},
		"http://127.0.0.1:8420":       {Name: "curfew-x"},
		"":                            {Name: "curfew-x"},
	} {
		c := set(t, func(w http.ResponseWriter) { signin.NewCookies(at, nil).Set(w, "x", "value", time.Minute) })
		if c.Name != want.Name || c.Secure != want.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.MaxAge != 60 || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("at %q it is %+v", at, c)
		}
	}
}

// What is sealed opens as what it was sealed as, unchanged, and nobody reads it.
func TestSealedCookies(t *testing.T) {
	cookies := signin.NewCookies("https://curfew.acme.example", enginetest.New(t).Sealer())
	kept := set(t, func(w http.ResponseWriter) {
		if err := cookies.Seal(w, "x", "the secret", time.Minute); err != nil {
			t.Fatal(err)
		}
	})
	var opened string
	open := func(name signin.Cookie, value string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: cookies.Name(name), Value: value})
		return cookies.Open(r, name, &opened)
	}
	if err := open("x", kept.Value); opened != "the secret" || err != nil || strings.Contains(kept.Value, "secret") {
		t.Errorf("%q, %v: %s", opened, err, kept.Value)
	}
	for what, err := range map[string]error{
		"as another": open("y", kept.Value), "cut off": open("x", kept.Value[:len(kept.Value)-4]), "nonsense": open("x", "###"), "empty": open("x", ""),
	} {
		if access.KindOf(err) != access.KindUnauthenticated || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
