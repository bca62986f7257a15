package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/outbound"
)

// Headers of what a stream posts.
const (
	// SignatureHeader has the time and the signature, see Sign.
	SignatureHeader = "Curfew-Signature"
	// PositionsHeader has the first and the last position of the body, as in 17-42.
	PositionsHeader = "Curfew-Positions"
)

// Stream posts entries as lines of JSON, signed.
type Stream struct {
	http *outbound.HTTP
	key  []byte
}

// NewStream makes a stream to a URL whose receiver shares a key with Curfew.
func NewStream(url, key string) *Stream {
	return &Stream{http: outbound.NewHTTP(url), key: []byte(key)}
}

// Send implements delivery.Stream. Entries are delivered when the receiver answers with success.
func (s *Stream) Send(ctx context.Context, batch []delivery.Message) error {
	var body bytes.Buffer
	for _, m := range batch {
		body.Write(m.Body)
		body.WriteByte('\n')
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	header.Set(PositionsHeader, fmt.Sprintf("%d-%d", batch[0].Position, batch[len(batch)-1].Position))
	header.Set(SignatureHeader, Sign(s.key, time.Now(), body.Bytes()))
	return s.http.Post(ctx, header, body.Bytes())
}

// Close implements delivery.Stream.
func (s *Stream) Close() error {
	s.http.Close()
	return nil
}

// Sign is the value of SignatureHeader: t=SECONDS,v1=HEX, where HEX is HMAC-SHA256 under the key over the seconds, a full stop
// and the body. A receiver refuses what is older than it wants to believe: the time is signed too, so that a request cannot be
// played back later.
func Sign(key []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
