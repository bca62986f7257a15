package workload

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/curfewhq/curfew/internal/outbound"
	"github.com/curfewhq/curfew/internal/secret"
)

// KeySource says where the keys of an issuer are. The zero value asks the issuer (OpenID Connect Discovery 1.0).
type KeySource struct {
	// URL is where its JSON Web Key Set is, and File a file that has it.
	URL, File string
	// CAFile has the certificates that the server's is checked against; empty means the system's.
	CAFile string
	// Token leads to a bearer token to ask with, and is followed anew each time.
	Token secret.Ref
}

const (
	// keysFresh is after which time keys are read again, so that one which the issuer has withdrawn is trusted no longer, and
	// keysUsable for how long they are used while that fails.
	keysFresh  = 10 * time.Minute
	keysUsable = time.Hour
	// keysPause is how long an issuer is left alone after it was asked: anybody can make up the name of a key.
	keysPause = 10 * time.Second
	// maxKeys bounds how many keys an issuer has, and maxKeyFile their file, in bytes.
	maxKeys    = 100
	maxKeyFile = 1 << 20
	// minRSA is the shortest RSA key that is trusted, in bytes.
	minRSA = 2048 / 8
)

// algorithms are those with which a token may be signed. None of them has a key that is a secret, and so could be confused with
// one that is public.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

var (
	errSignature = errors.New("no key of the issuer has signed it")
	errKeys      = errors.New("the issuer's keys cannot be read")
)

// keys are those of one issuer, kept for a while. go-oidc's own set trusts a key until one comes that it does not know, and asks
// the issuer for every such.
type keys struct {
	issuer string
	source KeySource
	client *http.Client
	now    func() time.Time
	// turn is held while they are read. Who needs what is read waits for it, and nobody else does.
	turn chan struct{}
	// mu guards what follows. It is written with turn held as well.
	mu             sync.Mutex
	set            []jose.JSONWebKey
	readAt, tryAt  time.Time
	lastTryFailure error
}

func newKeys(issuer string, source KeySource, now func() time.Time) (*keys, error) {
	at := issuer
	if source.URL != "" {
		at = source.URL
	}
	client, err := outbound.NewTrustingClient(at, source.CAFile)
	if err != nil {
		return nil, err
	}
	return &keys{issuer: issuer, source: source, client: client, now: now, turn: make(chan struct{}, 1)}, nil
}

// payload is what a token says, if a key of the issuer has signed it.
func (k *keys) payload(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil {
		return nil, err
	}
	header := signed.Signatures[0].Header
	candidates, err := k.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range candidates {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// find are the keys that may have signed a token which names that one. They are read anew when they are old, or it is not there.
func (k *keys) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	found, age := k.known(id)
	if len(found) > 0 && age < keysFresh {
		return found, nil
	}
	select {
	case k.turn <- struct{}{}:
	default:
		if len(found) > 0 && age < keysUsable {
			return found, nil // somebody else sees to it that they are read, however long that takes
		}
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-k.turn }()
	// Whoever comes next relies on it too, so that it does not end with who asked first.
	failure := k.refresh(context.WithoutCancel(ctx), id)
	found, age = k.known(id)
	switch {
	case failure != nil && (len(found) == 0 || age >= keysUsable):
		return nil, fmt.Errorf("%w: %w", errKeys, failure)
	case len(found) == 0:
		return nil, errSignature
	}
	return found, nil
}

// known are the keys of that name, and how long ago they were read.
func (k *keys) known(id string) (found []jose.JSONWebKey, age time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return named(k.set, id), k.now().Sub(k.readAt)
}

// refresh reads the keys, if they are old or that one is not there, and nobody has tried a moment ago. It returns why that failed
// the last time.
func (k *keys) refresh(ctx context.Context, id string) error {
	now := k.now()
	k.mu.Lock()
	fresh := len(named(k.set, id)) > 0 && now.Sub(k.readAt) < keysFresh
	if fresh || now.Sub(k.tryAt) < keysPause {
		defer k.mu.Unlock()
		return k.lastTryFailure
	}
	k.tryAt = now
	k.mu.Unlock()
	set, err := k.read(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lastTryFailure = err; err == nil {
		k.set, k.readAt = set, now
	}
	return err
}

// named are the keys of that name; all of them where a token names none.
func named(set []jose.JSONWebKey, id string) (found []jose.JSONWebKey) {
	for _, key := range set {
		if id == "" || key.KeyID == id {
			found = append(found, key)
		}
	}
	return found
}

// read reads the keys from where they are. One that is no public key, too short, or not for signing is left out.
func (k *keys) read(ctx context.Context) ([]jose.JSONWebKey, error) {
	text, err := k.document(ctx)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("they are no JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys are more than %d", len(set.Keys), maxKeys)
	}
	var usable []jose.JSONWebKey
	for _, key := range set.Keys {
		short, isRSA := key.Key.(*rsa.PublicKey)
		if key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") && (!isRSA || short.Size() >= minRSA) {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, errors.New("there is no public key among them that could sign a token")
	}
	return usable, nil
}

func (k *keys) document(ctx context.Context) ([]byte, error) {
	at := k.source.URL
	if k.source.File != "" {
		f, err := os.Open(k.source.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxKeyFile))
	}
	if at == "" {
		var err error
		if at, err = k.discover(ctx); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	if k.source.Token != "" {
		token, err := k.source.Token.Resolve()
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("where the keys are, the answer is %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return text, nil
}

// discover asks the issuer where its keys are. What it says may lead to another host, but not out of TLS.
func (k *keys) discover(ctx context.Context) (string, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
	if err != nil {
		return "", err
	}
	var says struct {
		At string `json:"jwks_uri"`
	}
	if err := found.Claims(&says); err != nil {
		return "", err
	}
	if strings.HasPrefix(k.issuer, "https://") && !strings.HasPrefix(says.At, "https://") {
		return "", errors.New("the issuer's jwks_uri is not https://")
	}
	return says.At, nil
}
