package mongodbatlas

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// What Atlas says of a failure is kept with the grant and in the log: a little of it.
func TestRefusalKeepsTheBeginning(t *testing.T) {
	conflict := &http.Response{
		StatusCode: http.StatusConflict, Request: &http.Request{Header: http.Header{"Authorization": {"Bearer token-1"}}},
	}
	long := strings.Repeat("é", maxDetail)
	err := refusal(conflict, []byte(`{"errorCode": "`+long+`", "detail": "x`+long+`"}`))
	said := err.Error()
	if len(said) > maxCode+maxDetail+100 || !utf8.ValidString(said) || !strings.Contains(said, "409") || !strings.Contains(said, "xé") {
		t.Errorf("of %d bytes %d are kept: %.80q", 2*len(long), len(said), said)
	}
	short := refusal(conflict, []byte(`{"errorCode": "A", "detail": "B"}`)).Error()
	if want := "Atlas answers 409 A: B"; short != want {
		t.Errorf("it is %q, want %q", short, want)
	}
	if repeated := refusal(conflict, []byte(`{"detail": "no such token: token-1"}`)).Error(); strings.Contains(repeated, "token-1") {
		t.Errorf("what Atlas was told is repeated: %s", repeated)
	}
}
