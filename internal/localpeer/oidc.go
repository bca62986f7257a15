package localpeer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// discovered asks an OpenID provider for what it says of itself, which has the port that no other server has.
func discovered(ctx context.Context, issuer string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	var said struct {
		Issuer string `json:"issuer"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&said)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if said.Issuer != issuer {
		return fmt.Errorf("it says that it is %q", said.Issuer)
	}
	return nil
}
