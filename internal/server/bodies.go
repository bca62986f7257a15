package server

import (
	"io"
	"net/http"
	"time"
)

// bodyLimit is how long the body of a call may take to arrive, whatever becomes of the call.
const bodyLimit = 30 * time.Second

// bodiesWithin bounds how long bodies take to arrive. net/http reads what a handler has left of one before it answers, for as long as it
// takes: without a bound anybody could keep connections, which are bounded too, by bytes that never come. The bound on the whole
// reading that net/http has would end calls that wait; this one is lifted once the body is there.
func bodiesWithin(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			deadline := http.NewResponseController(w)
			// A connection that knows no deadlines, such as a test's, is not worth refusing the call.
			_ = deadline.SetReadDeadline(time.Now().Add(limit))
			r.Body = &arriving{r.Body, func() { _ = deadline.SetReadDeadline(time.Time{}) }}
		}
		next.ServeHTTP(w, r)
	})
}

// arriving is a body that says when it is there.
type arriving struct {
	io.ReadCloser
	there func()
}

// Read implements io.Reader.
func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err == io.EOF {
		a.there()
	}
	return n, err
}
