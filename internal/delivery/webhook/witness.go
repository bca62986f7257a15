package webhook

import (
	"context"
	"net/http"

	"github.com/curfewhq/curfew/internal/outbound"
)

// Witness posts each checkpoint as it is, a signed note.
type Witness struct {
	http  *outbound.HTTP
	token string
}

// NewWitness makes a witness of a URL. The bearer token may be empty.
func NewWitness(url, token string) *Witness {
	return &Witness{http: outbound.NewHTTP(url), token: token}
}

// Keep implements delivery.Witness. A webhook cannot be asked what it was given last, so extends is not called: the receiver
// has that, and can hold against it what comes.
func (w *Witness) Keep(ctx context.Context, signed []byte, _ func([]byte) error) error {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	if w.token != "" {
		header.Set("Authorization", "Bearer "+w.token)
	}
	return w.http.Post(ctx, header, signed)
}
