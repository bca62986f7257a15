package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// A password stands in addresses of several forms, and in what is said of it in several more.
func TestRedactorKnowsPasswordsInEveryForm(t *testing.T) {
	const password = `pa ss/'w"o\\rd@1%`
	inJSON, err := json.Marshal(password)
	if err != nil {
		t.Fatal(err)
	}
	for name, known := range map[string]string{
		"itself":            password,
		"a URL":             (&url.URL{Scheme: "postgres", User: url.UserPassword("curfew", password), Host: "db.example:5432", Path: "/orders"}).String(),
		"several hosts":     "mongodb://curfew:" + url.QueryEscape(password) + "@a.example:27017,b.example:27017/?tls=true",
		"a parameter":       "postgres://db.example/orders?sslmode=disable&password=" + url.QueryEscape(password),
		"keywords":          `host=db.example password='pa ss/\'w"o\\\\rd@1%' user=curfew`,
		"keywords in a URL": "postgres://db.example/orders?sslpassword=" + url.PathEscape(password),
	} {
		t.Run(name, func(t *testing.T) {
			r := secret.NewRedactor("another secret", known)
			for form, said := range map[string]string{
				"as it is": password, "in a query": url.QueryEscape(password), "in a path": url.PathEscape(password),
				"in JSON": string(inJSON), "the whole address": known,
			} {
				if got := r.Text("db.example refuses <" + said + "> to curfew"); strings.Contains(got, "rd@1") || !strings.Contains(got, "db.example") || !strings.Contains(got, "to curfew") {
					t.Errorf("%s: %s", form, got)
				}
			}
		})
	}
}

func TestRedactorLeavesTheRest(t *testing.T) {
	const said = "the host db.example refuses curfew a1"
	for _, r := range []secret.Redactor{{}, secret.NewRedactor(), secret.NewRedactor("", "a1"), secret.NewRedactor("postgres://curfew@db.example/orders")} {
		if got := r.Text(said); got != said {
			t.Errorf("%q became %q", said, got)
		}
	}
	err := errors.New(said)
	if got := secret.NewRedactor("hunter2").Error(err); got != err { //nolint:errorlint // the very same
		t.Errorf("an error without a secret became %v", got)
	}
	if got := secret.NewRedactor("hunter2").Error(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

// Kind and sentence stay; what was wrapped is gone, since it could be asked for its own text.
func TestRedactedErrors(t *testing.T) {
	r := secret.NewRedactor("hunter2")
	cause := errors.New("I was told hunter2")
	got := r.Error(fmt.Errorf("granting: %w", access.Wrap(access.KindMisconfigured, cause, "The target refuses hunter2.")))
	if strings.Contains(got.Error(), "hunter2") || access.SafeMessage(got) != "The target refuses [secret]." || access.KindOf(got) != access.KindMisconfigured {
		t.Errorf("got %v, a kind of %s", got, access.KindOf(got))
	}
	for said, err := range map[string]error{
		"The target refuses us.: I was told [secret]": access.Wrap(access.KindMisconfigured, cause, "The target refuses us."),
		"The target refuses [secret].":                access.Errorf(access.KindMisconfigured, "The target refuses hunter2."),
	} {
		if got := r.Error(err); got.Error() != said {
			t.Errorf("got %q, want %q", got, said)
		}
	}
	if errors.Is(got, cause) {
		t.Error("the cause can still be had")
	}
	if got := r.Error(cause); got.Error() != "I was told [secret]" {
		t.Errorf("got %v", got)
	}
}

func TestDescribePanicRepeatsTheRuntimeAlone(t *testing.T) {
	for want, f := range map[string]func(){
		"a value of type string":              func() { panic("hunter2") },
		"a value of type *errors.errorString": func() { panic(errors.New("hunter2")) },
		"index out of range":                  func() { _ = make([]int, 1)[runtime.NumCPU()] },
	} {
		func() {
			defer func() {
				if got := secret.DescribePanic(recover()); !strings.Contains(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			f()
		}()
	}
}
