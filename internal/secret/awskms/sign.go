package awskms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signature Version 4, as in AWS's "Create a signed AWS API request", for what is sent here: a POST to the path / without
// a query. Every header that is set is signed.
const (
	algorithm = "AWS4-HMAC-SHA256"
	timeForm  = "20060102T150405Z"
	dateForm  = "20060102"
)

// sign adds the headers that say who asks, and when.
func sign(r *http.Request, body []byte, c credentials, region, service string, now time.Time) {
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(timeForm))
	if c.sessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.sessionToken)
	}
	headers, names := canonicalHeaders(r)
	canonical := strings.Join([]string{r.Method, "/", "", headers, names, hash(body)}, "\n")
	scope := strings.Join([]string{now.Format(dateForm), region, service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, now.Format(timeForm), scope, hash([]byte(canonical))}, "\n")
	key := []byte("AWS4" + c.secretAccessKey)
	for _, part := range []string{now.Format(dateForm), region, service, "aws4_request"} {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+c.accessKeyID+"/"+scope+", SignedHeaders="+names+
		", Signature="+hex.EncodeToString(mac(key, text)))
}

// canonicalHeaders are the headers in their order, each with a line break, and their names.
func canonicalHeaders(r *http.Request) (headers, names string) {
	values := map[string]string{"host": r.Host}
	for name, v := range r.Header {
		values[strings.ToLower(name)] = strings.TrimSpace(strings.Join(v, ","))
	}
	sorted := make([]string, 0, len(values))
	for name := range values {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		headers += name + ":" + values[name] + "\n"
	}
	return headers, strings.Join(sorted, ";")
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
