package engine

import "sync"

// signals wakes those who wait for something to change. It remembers nobody who does not wait, and nothing that
// happened: who waits subscribes first and then looks.
type signals struct {
	mu      sync.Mutex
	waiting map[any]map[chan struct{}]struct{}
}

func newSignals() *signals {
	return &signals{waiting: map[any]map[chan struct{}]struct{}{}}
}

// subscribe returns a channel that holds at most one signal for the key, and the function that ends the subscription.
func (s *signals) subscribe(key any) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[key] == nil {
		s.waiting[key] = map[chan struct{}]struct{}{}
	}
	s.waiting[key][ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[key], ch)
		if len(s.waiting[key]) == 0 {
			delete(s.waiting, key)
		}
	}
}

// awaited reports whether somebody waits for the key.
func (s *signals) awaited(key any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting[key]) > 0
}

// raise wakes everyone who waits for the key.
func (s *signals) raise(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.waiting[key] {
		wake(ch)
	}
}

// raiseOne wakes one of those who wait for the key.
func (s *signals) raiseOne(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.waiting[key] {
		wake(ch)
		return
	}
}

func wake(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
