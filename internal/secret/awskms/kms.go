package awskms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

var _ secret.KeyWrapper = (*Wrapper)(nil)

const (
	// callLimit bounds one call, with the attempts at it; attemptLimit one of them.
	callLimit    = 15 * time.Second
	attemptLimit = 5 * time.Second
	maxAttempts  = 4
	// firstPause is that between the first two attempts; the others grow.
	firstPause = 200 * time.Millisecond
	// maxAnswer bounds what is read of an answer. A wrapped key has less than 300 bytes.
	maxAnswer = 64 << 10
)

// Wrapper wraps data keys with the key in the service.
type Wrapper struct {
	config Config
	client *http.Client
	source *source
	now    func() time.Time
}

// Open makes a Wrapper, and asks nobody: credentials are looked for when they are needed.
func Open(c Config) (*Wrapper, error) {
	if field, problem := c.Check(); problem != "" {
		return nil, access.Errorf(access.KindMisconfigured, "%s: %s", field, problem)
	}
	client := &http.Client{
		Timeout:   attemptLimit,
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// A redirect would carry a data key to somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Wrapper{config: c, client: client, source: newSource(c, client), now: time.Now}, nil
}

// Name implements secret.KeyWrapper.
func (w *Wrapper) Name() string { return "aws_kms " + w.config.Key }

// request is what Encrypt and Decrypt are asked, and answer what they answer.
type request struct {
	KeyID             string `json:"KeyId"`
	Plaintext         []byte `json:",omitempty"`
	CiphertextBlob    []byte `json:",omitempty"`
	EncryptionContext map[string]string
}

type answer struct {
	Plaintext      []byte
	CiphertextBlob []byte
}

// encryptionContext binds what is wrapped to what it is. It is no secret: CloudTrail shows it, and a key policy can ask
// for it.
func encryptionContext(id secret.KeyID) map[string]string {
	return map[string]string{
		"curfew:installation": id.Installation, "curfew:tenant": string(id.Tenant),
		"curfew:generation": strconv.Itoa(id.Generation), "curfew:use": string(id.Use),
	}
}

// Wrap implements secret.KeyWrapper.
func (w *Wrapper) Wrap(ctx context.Context, id secret.KeyID, key []byte) ([]byte, error) {
	a, err := w.call(ctx, "Encrypt", request{KeyID: w.config.Key, Plaintext: key, EncryptionContext: encryptionContext(id)})
	if err == nil && len(a.CiphertextBlob) == 0 {
		err = errors.New("the answer has no ciphertext")
	}
	return a.CiphertextBlob, err
}

// Unwrap implements secret.KeyWrapper.
func (w *Wrapper) Unwrap(ctx context.Context, id secret.KeyID, wrapped []byte) ([]byte, error) {
	a, err := w.call(ctx, "Decrypt", request{KeyID: w.config.Key, CiphertextBlob: wrapped, EncryptionContext: encryptionContext(id)})
	return a.Plaintext, err
}

// call makes a call, and again while it is worth it.
func (w *Wrapper) call(ctx context.Context, operation string, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return answer{}, err
	}
	defer clear(body)
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = firstPause
	a, err := backoff.Retry(ctx, func() (answer, error) {
		a, err := w.attempt(ctx, operation, body)
		if err != nil && !worthAnother(err) {
			err = backoff.Permanent(err)
		}
		return a, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(maxAttempts), backoff.WithMaxElapsedTime(callLimit))
	if err != nil {
		return answer{}, w.explain(operation, err)
	}
	return a, nil
}

// serviceError is an answer that is not success.
type serviceError struct {
	status  int
	kind    string
	message string
}

// Error is for operators. What the service says repeats no key.
func (e *serviceError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.kind, e.message) }

func (w *Wrapper) attempt(ctx context.Context, operation string, body []byte) (a answer, err error) {
	c, err := w.source.get(ctx, w.now())
	if err != nil {
		return answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.address()+"/", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService."+operation)
	sign(r, body, c, w.config.region(), "kms", w.now())
	status, content, err := send(w.client, r)
	if err != nil {
		return answer{}, err
	}
	defer clear(content)
	if status != http.StatusOK {
		return answer{}, readError(status, content)
	}
	if err := json.Unmarshal(content, &a); err != nil {
		return answer{}, errors.New("the answer is not what the service's description says") // its text may hold a key
	}
	return a, nil
}

// readError reads what the service says of itself.
func readError(status int, content []byte) *serviceError {
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		// Some errors begin it with a capital.
		MessageToo string `json:"Message"`
	}
	_ = json.Unmarshal(content, &said)
	_, kind, found := strings.Cut(said.Type, "#")
	if !found {
		kind = said.Type
	}
	if said.Message == "" {
		said.Message = said.MessageToo
	}
	const most = 500
	return &serviceError{status: status, kind: kind, message: said.Message[:min(len(said.Message), most)]}
}

// send sends a request and reads the answer.
func send(client *http.Client, r *http.Request) (status int, content []byte, err error) {
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, content, err
}

// worthAnother reports whether another attempt may go better: when nothing answered, or it is the service's own fault or
// too much at once.
func worthAnother(err error) bool {
	if e, ok := errors.AsType[*serviceError](err); ok {
		return e.status >= http.StatusInternalServerError || e.status == http.StatusTooManyRequests ||
			slices.Contains([]string{"ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "LimitExceededException"}, e.kind)
	}
	_, network := errors.AsType[*url.Error](err)
	return network
}

// explain gives an error its kind, and says what to do.
func (w *Wrapper) explain(operation string, err error) error {
	e, ok := errors.AsType[*serviceError](err)
	if !ok {
		if _, known := errors.AsType[*access.Error](err); known {
			return err
		}
		return access.Wrap(access.KindUnavailable, err, "AWS KMS does not answer at "+w.config.address())
	}
	switch e.kind {
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature", "ExpiredTokenException",
		"MissingAuthenticationTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("AWS KMS refuses kms:%s with the key %s: see docs/keys.md for the policy that it needs", operation, w.config.Key))
	case "InvalidCiphertextException", "IncorrectKeyException":
		return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("AWS KMS finds that the key %s has not wrapped this, or that it was changed or moved", w.config.Key))
	case "NotFoundException", "DisabledException", "KMSInvalidStateException", "KeyUnavailableException", "InvalidKeyUsageException":
		return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("the key %s in AWS KMS cannot be used", w.config.Key))
	}
	return access.Wrap(access.KindUnavailable, err, "AWS KMS fails")
}
