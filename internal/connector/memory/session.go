package memory

import (
	"errors"
	"fmt"
	"slices"
)

// ErrRefused is wrapped by what Login and Session's methods return when the target says no.
var ErrRefused = errors.New("refused")

// Session is an open log-in. Like those of most databases it outlives its account's expiry, and ends only when somebody
// ends it.
type Session struct {
	target  *Target
	account *account
}

// Login opens a session. The error does not tell an unknown account from a wrong password or an expired one.
func (t *Target) Login(username, password string) (*Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, there := t.accounts[username]
	expired := there && !a.Expiry.IsZero() && !t.clock.Now().Before(a.Expiry)
	if !there || expired || a.password == "" || a.password != password {
		return nil, fmt.Errorf("log-in of %q: %w", username, ErrRefused)
	}
	s := &Session{target: t, account: a}
	if a.sessions == nil {
		a.sessions = map[*Session]struct{}{}
	}
	a.sessions[s] = struct{}{}
	return s, nil
}

// Use uses the permission on the resource.
func (s *Session) Use(resource, permission string) error {
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	if s.account.Resource != resource || s.account.Permission != permission {
		return fmt.Errorf("use of %q on %q: %w", permission, resource, ErrRefused)
	}
	return nil
}

// MakeObject makes an object that the session's account owns.
func (s *Session) MakeObject(name string) error {
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	owner := s.account.Name
	if !slices.Contains(s.target.objects[owner], name) {
		s.target.objects[owner] = append(s.target.objects[owner], name)
	}
	return nil
}

// Close ends the session. It may be called again.
func (s *Session) Close() {
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	delete(s.account.sessions, s)
}

// open reports whether the session still is. The caller holds the lock.
func (s *Session) open() error {
	if _, open := s.account.sessions[s]; !open {
		return fmt.Errorf("the session has ended: %w", ErrRefused)
	}
	return nil
}
