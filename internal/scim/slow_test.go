package scim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/curfewhq/curfew/internal/scim"
)

// dated is a recorder that notes until when it may be read from.
type dated struct {
	*httptest.ResponseRecorder
	until time.Time
}

// SetReadDeadline is what http.ResponseController looks for.
func (d *dated) SetReadDeadline(t time.Time) error {
	d.until = t
	return nil
}

// A body that did not come in time has no more time afterwards: net/http reads what is left of it before it answers.
func TestSlowBodyStaysBounded(t *testing.T) {
	o := inMemory(t)
	for body, bounded := range map[io.Reader]bool{iotest.ErrReader(os.ErrDeadlineExceeded): true, strings.NewReader("{}"): false} {
		r := httptest.NewRequest(http.MethodPost, scim.Prefix+"/Users", body)
		r.Header.Set("Authorization", "Bearer "+o.token)
		r.Header.Set("Content-Type", "application/scim+json")
		w := &dated{ResponseRecorder: httptest.NewRecorder()}
		o.server.ServeHTTP(w, r)
		if w.until.IsZero() == bounded || (w.Code == http.StatusRequestTimeout) != bounded {
			t.Errorf("%d, and read until %s", w.Code, w.until)
		}
	}
}
