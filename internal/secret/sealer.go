package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// KeySource finds the generations of an owner's keys that are kept, in any order.
type KeySource func(ctx context.Context) ([]WrappedKeys, error)

// Sealer seals one owner's values at rest, authenticates, and signs. It has every generation of the keys that is kept and
// goes by the newest; what an older one has sealed still opens, what it has authenticated still verifies. It is safe for
// concurrent use.
type Sealer struct {
	owner   Owner
	wrapper KeyWrapper
	source  KeySource

	refreshing sync.Mutex
	// ring is replaced as a whole, never changed.
	ring atomic.Pointer[ring]
}

// ring is what a Sealer has in hand.
type ring struct {
	newest int
	keys   map[int]*derivedKeys
}

// derivedKeys are those of one generation. No key is used for two things.
type derivedKeys struct {
	// seal is nil when the key was destroyed.
	seal []byte
	mac  []byte
	sign []byte
}

// maxGenerations bounds how many generations are held.
const maxGenerations = 100

// ErrUnknownGeneration means that a generation of the keys is not in hand. It may have been made since the last Refresh.
var ErrUnknownGeneration = errors.New("this generation of the keys is not in hand")

// OpenSealer unwraps the keys that the source finds.
func OpenSealer(ctx context.Context, w KeyWrapper, o Owner, source KeySource) (*Sealer, error) {
	s := &Sealer{owner: o, wrapper: w, source: source}
	s.ring.Store(&ring{})
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Refresh asks the source again: it takes in generations that were made since, and drops what was destroyed. On an error
// the Sealer goes on with what it had.
func (s *Sealer) Refresh(ctx context.Context) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	kept, err := s.source(ctx)
	if err != nil {
		return fmt.Errorf("looking for the keys of tenant %s: %w", s.owner.Tenant, err)
	}
	if len(kept) > maxGenerations {
		return fmt.Errorf("tenant %s has %d generations of keys, and at most %d can be held", s.owner.Tenant, len(kept), maxGenerations)
	}
	had := s.ring.Load()
	next := &ring{keys: map[int]*derivedKeys{}}
	for _, k := range kept {
		derived, known := had.keys[k.Generation]
		if !known {
			derived, err = s.derive(ctx, k)
		} else if len(k.Sealing) == 0 && derived.seal != nil {
			derived = &derivedKeys{mac: derived.mac, sign: derived.sign}
		}
		if err != nil {
			return err
		}
		next.keys[k.Generation] = derived
		next.newest = max(next.newest, k.Generation)
	}
	if newest, there := next.keys[next.newest]; !there || newest.seal == nil {
		return fmt.Errorf("tenant %s has no key to seal with", s.owner.Tenant)
	}
	s.ring.Store(next)
	return nil
}

// derive unwraps a generation.
func (s *Sealer) derive(ctx context.Context, k WrappedKeys) (*derivedKeys, error) {
	derived := &derivedKeys{}
	for use, wrapped := range k.each() {
		if len(*wrapped) == 0 && use == SealingKey {
			continue
		}
		key, err := k.unwrap(ctx, s.wrapper, KeyID{Owner: s.owner, Generation: k.Generation, Use: use}, *wrapped)
		if err != nil {
			return nil, err
		}
		err = derived.from(use, key)
		clear(key)
		if err != nil {
			return nil, err
		}
	}
	return derived, nil
}

func (d *derivedKeys) from(use KeyUse, key []byte) (err error) {
	if use == SealingKey {
		d.seal, err = hkdf.Expand(sha256.New, key, "curfew seal v2", keyBytes)
		return err
	}
	if d.mac, err = hkdf.Expand(sha256.New, key, "curfew mac v2", keyBytes); err != nil {
		return err
	}
	d.sign, err = hkdf.Expand(sha256.New, key, "curfew sign v2", keyBytes)
	return err
}

// NextKeys makes the generation behind the newest one in hand, and wraps it. It is in hand when the source has it.
func (s *Sealer) NextKeys(ctx context.Context) (WrappedKeys, error) {
	return NewKeys(ctx, s.wrapper, s.owner, s.Generation()+1)
}

// Rewrap wraps a generation with another KeyWrapper.
func (s *Sealer) Rewrap(ctx context.Context, to KeyWrapper, k WrappedKeys) (WrappedKeys, error) {
	return rewrap(ctx, s.wrapper, to, s.owner, k)
}

// Generation is the newest generation, which seals, authenticates and signs.
func (s *Sealer) Generation() int { return s.ring.Load().newest }

// Generations lists the generations in hand, the newest first.
func (s *Sealer) Generations() []int {
	list := slices.Sorted(maps.Keys(s.ring.Load().keys))
	slices.Reverse(list)
	return list
}
