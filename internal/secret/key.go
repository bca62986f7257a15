package secret

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"

	"github.com/curfewhq/curfew/internal/access"
)

// Owner is whose keys they are: a tenant of an installation.
type Owner struct {
	Installation string
	Tenant       access.TenantID
}

// KeyUse says what a data key is for.
type KeyUse string

// The keys of a generation. They are two, so that the one that opens what is sealed can be destroyed long before the last
// mark or signature of the other has gone.
const (
	// SealingKey seals what is kept at rest.
	SealingKey KeyUse = "sealing"
	// AuthenticationKey makes MACs and signatures.
	AuthenticationKey KeyUse = "authentication"
)

// KeyID says which data key it is. What is wrapped is bound to it, so that no wrapped key can be put in another's place.
type KeyID struct {
	Owner
	// Generation counts from 1 on.
	Generation int
	Use        KeyUse
}

// Bytes is the KeyID as additional data of an AEAD.
func (id KeyID) Bytes() []byte {
	return lengthPrefixed("curfew wrapped key v2", id.Installation, string(id.Tenant), strconv.Itoa(id.Generation), string(id.Use))
}

// KeyWrapper holds the key-encryption key, or knows who does. It is asked when a node starts and when keys are rotated,
// never per value. Implementations are safe for concurrent use; none repeats a secret in an error.
type KeyWrapper interface {
	// Name says which key-encryption key it is, in words that an operator finds again in the configuration. It is kept
	// beside what is wrapped, and is no secret.
	Name() string
	// Wrap encrypts a data key.
	Wrap(ctx context.Context, id KeyID, key []byte) ([]byte, error)
	// Unwrap is its inverse. What was wrapped as another KeyID, or with another key-encryption key, is an error.
	Unwrap(ctx context.Context, id KeyID, wrapped []byte) ([]byte, error)
}

// WrappedKeys is a generation of an owner's data keys as it is kept.
type WrappedKeys struct {
	Generation int
	// Wrapper is the Name of the KeyWrapper that has wrapped them.
	Wrapper string
	// Sealing is empty when that key was destroyed.
	Sealing        []byte
	Authentication []byte
}

// keyBytes is the length of data keys: AES-256.
const keyBytes = 32

// NewKeys makes a generation of data keys, and wraps them.
func NewKeys(ctx context.Context, w KeyWrapper, o Owner, generation int) (WrappedKeys, error) {
	made := WrappedKeys{Generation: generation, Wrapper: w.Name()}
	for use, wrapped := range made.each() {
		key := make([]byte, keyBytes)
		rand.Read(key)
		var err error
		*wrapped, err = w.Wrap(ctx, KeyID{Owner: o, Generation: generation, Use: use}, key)
		clear(key)
		if err != nil {
			return WrappedKeys{}, fmt.Errorf("wrapping generation %d of the keys of tenant %s with %s: %w", generation, o.Tenant, w.Name(), err)
		}
	}
	return made, nil
}

// rewrap wraps the same data keys with another KeyWrapper.
func rewrap(ctx context.Context, from, to KeyWrapper, o Owner, k WrappedKeys) (WrappedKeys, error) {
	again := k
	again.Wrapper = to.Name()
	for use, wrapped := range again.each() {
		if len(*wrapped) == 0 {
			continue
		}
		id := KeyID{Owner: o, Generation: k.Generation, Use: use}
		key, err := k.unwrap(ctx, from, id, *wrapped)
		if err != nil {
			return WrappedKeys{}, err
		}
		*wrapped, err = to.Wrap(ctx, id, key)
		clear(key)
		if err != nil {
			return WrappedKeys{}, fmt.Errorf("wrapping generation %d of the keys of tenant %s with %s: %w", k.Generation, o.Tenant, to.Name(), err)
		}
	}
	return again, nil
}

// each goes through the keys of a generation, in a fixed order.
func (k *WrappedKeys) each() func(yield func(KeyUse, *[]byte) bool) {
	return func(yield func(KeyUse, *[]byte) bool) {
		_ = yield(SealingKey, &k.Sealing) && yield(AuthenticationKey, &k.Authentication)
	}
}

// unwrap asks the KeyWrapper for one of the keys. When it is not the one that has wrapped them, the error says so.
func (k WrappedKeys) unwrap(ctx context.Context, w KeyWrapper, id KeyID, wrapped []byte) ([]byte, error) {
	key, err := w.Unwrap(ctx, id, wrapped)
	if err == nil && len(key) != keyBytes {
		err = fmt.Errorf("the key has %d bytes, not %d", len(key), keyBytes)
		clear(key)
	}
	if err != nil && w.Name() != k.Wrapper {
		err = access.Wrap(access.KindMisconfigured, err, fmt.Sprintf(
			"the keys are wrapped by %q, and the configuration (server.key) names %q: name the one that wrapped them, or move them with curfewd keys rewrap",
			k.Wrapper, w.Name()))
	}
	if err != nil {
		return nil, fmt.Errorf("unwrapping generation %d of the keys of tenant %s: %w", id.Generation, id.Tenant, err)
	}
	return key, nil
}
