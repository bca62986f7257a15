// Package ratelimit bounds how often somebody may do something: whoever guesses, and whatever runs away.
//
// It owns the counting, by key, within bounded memory, and what a client's address is. It does not own what is limited, nor how
// an answer looks.
package ratelimit

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys is how many keys a Limiter remembers: about 2 MB. Beyond, the one that was seen longest ago is forgotten.
const maxKeys = 10_000

// Limiter lets each key have so many at once, and so many a second on average. It is safe for concurrent use.
type Limiter struct {
	each  rate.Limit
	burst int

	mu   sync.Mutex
	keys map[string]*list.Element
	// seen has the keys, the last one seen in front.
	seen list.List
}

type entry struct {
	key     string
	limiter *rate.Limiter
}

// New makes a Limiter of so many a minute, and so many at once.
func New(perMinute float64, burst int) *Limiter {
	return &Limiter{each: rate.Limit(perMinute / time.Minute.Seconds()), burst: burst, keys: map[string]*list.Element{}}
}

// Take takes one of the key's, and reports whether there was one; if not, wait is after which time there is.
func (l *Limiter) Take(key string, now time.Time) (ok bool, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.of(key)
	if limiter.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - limiter.TokensAt(now)
	return false, time.Duration(math.Ceil(missing/float64(l.each))) * time.Second
}

// Left reports whether the key has one left, without taking it.
func (l *Limiter) Left(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(key).TokensAt(now) >= 1
}

// of is the key's own limiter.
func (l *Limiter) of(key string) *rate.Limiter {
	if at, known := l.keys[key]; known {
		l.seen.MoveToFront(at)
		return at.Value.(*entry).limiter
	}
	if l.seen.Len() >= maxKeys {
		last := l.seen.Back()
		delete(l.keys, l.seen.Remove(last).(*entry).key)
	}
	one := &entry{key: key, limiter: rate.NewLimiter(l.each, l.burst)}
	l.keys[key] = l.seen.PushFront(one)
	return one.limiter
}
