package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxBody bounds a body, in bytes. The largest that makes sense is a request with every parameter filled in.
	maxBody = 256 << 10
	// bodyTimeout is how long a body may take to arrive.
	bodyTimeout = 10 * time.Second
	// maxDepth and maxKeys bound what a JSON document may nest, and the keys of one object.
	maxDepth = 16
	maxKeys  = 64
)

// limitBody reads the body before anything else happens, and refuses one that is too long, too slow or not said to be
// JSON. The deadline is lifted afterwards: one that passes while a call waits would cancel the call.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline := http.NewResponseController(w)
		// A connection that knows no deadlines, such as a test's, is not worth refusing the call.
		_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil { // else what is left of it would have all the time there is
			_ = deadline.SetReadDeadline(time.Time{})
		}
		if p := refuseBody(r, body, err); p != nil {
			writeProblem(w, p)
			return
		}
		if len(body) > 0 {
			r.Header.Set("Content-Type", "application/json") // huma knows this one spelling
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func refuseBody(r *http.Request, body []byte, err error) *Problem {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("A body has at most %d KiB.", maxBody>>10))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem(http.StatusRequestTimeout, "The body took too long to arrive.")
	case err != nil:
		return newProblem(http.StatusBadRequest, "The body could not be read to its end.")
	case len(body) == 0:
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, "A body is JSON: send the header \"Content-Type: application/json\".")
	}
	return nil
}

// decodeJSON is json.Unmarshal for one document in which nothing can be read in two ways: valid UTF-8, no key twice in
// one object, not even in another case, and no deeper and wider than a call needs. Its errors repeat nothing.
func decodeJSON(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is more than one JSON document; the first ends at byte %d", d.InputOffset())
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errors.New("a value has the wrong type or is out of range")
	}
	return nil
}

// checkValue reads one value from d.
func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the JSON is nested deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("this is not JSON from byte %d on", d.InputOffset())
	}
	switch token {
	case json.Delim('{'):
		return checkObject(d, depth)
	case json.Delim('['):
		for d.More() {
			if err := checkValue(d, depth+1); err != nil {
				return err
			}
		}
		return closing(d)
	}
	return nil
}

func checkObject(d *json.Decoder, depth int) error {
	var seen []string
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return fmt.Errorf("this is not JSON from byte %d on", d.InputOffset())
		}
		if len(seen) == maxKeys {
			return fmt.Errorf("an object has more than %d keys", maxKeys)
		}
		// encoding/json takes keys in any case for a field, and the last one wins.
		for _, other := range seen {
			if strings.EqualFold(key, other) {
				return fmt.Errorf("a key stands twice in one object, the second time before byte %d", d.InputOffset())
			}
		}
		seen = append(seen, key)
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	return closing(d)
}

// closing reads the delimiter that ends an object or an array.
func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("this is not JSON from byte %d on", d.InputOffset())
	}
	return nil
}
