package memstore

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// profiles implements store.Profiles.
type profiles struct{ tx *tx }

// ownProfile is a profile that shares nothing with the caller's.
func ownProfile(v access.Profile) access.Profile {
	v.Groups, v.Attributes, v.Formerly = slices.Clone(v.Groups), maps.Clone(v.Attributes), slices.Clone(v.Formerly)
	v.ToldAt, v.GoneAt, v.UndecidedSince = whole(v.ToldAt), whole(v.GoneAt), whole(v.UndecidedSince)
	return v
}

func (p profiles) of(tenant access.TenantID, id access.PrincipalID) (v access.Profile, there bool) {
	for k, v := range p.tx.books.profiles.rows {
		if k.tenant == tenant && v.ID == id {
			return v, true
		}
	}
	return access.Profile{}, false
}

func (p profiles) Put(v access.Profile) error {
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	if v.Kind != access.Human && v.Kind != access.Service && v.Kind != access.Agent || v.ID.Issuer == "" || v.ID.Subject == "" {
		return p.tx.refuse("The store refuses a profile of a %.32q called %.128q.", v.Kind, v.ID)
	}
	stored, there := p.of(v.Tenant, v.ID)
	k := key{v.Tenant, string(v.ProfileID)}
	_, taken := p.tx.books.profiles.rows[k]
	switch {
	case v.Version == 0 && (there || taken):
		return access.Errorf(access.KindConflict, "There is a profile of %.128q already.", v.ID)
	case v.Version > 0 && !there:
		return access.Errorf(access.KindNotFound, "There is no profile of %.128q.", v.ID)
	case v.Version > 0 && (stored.Version != v.Version || stored.ProfileID != v.ProfileID):
		return movedOn("profile of", v.ID.String())
	}
	v = ownProfile(v)
	v.Version++
	p.tx.books.profiles.mine(p.tx)[k] = v
	return nil
}

func (p profiles) Get(tenant access.TenantID, id access.PrincipalID) (access.Profile, error) {
	v, there := p.of(tenant, id)
	if err := p.tx.mayRead(); err != nil {
		return access.Profile{}, err
	}
	if !there {
		return access.Profile{}, access.Errorf(access.KindNotFound, "There is no profile of %.128q.", id)
	}
	return ownProfile(v), nil
}

func (p profiles) List(tenant access.TenantID, filter store.ProfileFilter, page store.Page) ([]access.Profile, string, error) {
	if err := p.tx.mayRead(); err != nil {
		return nil, "", err
	}
	items, next, err := list(p.tx.books.profiles.rows, "profiles", tenant, page, func(v access.Profile) bool {
		return (filter.Issuer == "" || v.ID.Issuer == filter.Issuer) && (filter.Person == "" || v.Person == filter.Person) &&
			(filter.Group == "" || v.InGroup(filter.Group))
	})
	for i := range items {
		items[i] = ownProfile(items[i])
	}
	return items, next, err
}

func (p profiles) Undecided(tenant access.TenantID, limit int) (items []access.Profile, err error) {
	if err := p.tx.mayRead(); err != nil {
		return nil, err
	}
	for k, v := range p.tx.books.profiles.rows {
		if k.tenant == tenant && !v.UndecidedSince.IsZero() {
			items = append(items, ownProfile(v))
		}
	}
	slices.SortFunc(items, func(a, b access.Profile) int {
		return cmp.Or(a.UndecidedSince.Compare(b.UndecidedSince), cmp.Compare(a.ProfileID, b.ProfileID))
	})
	return items[:min(len(items), clampLimit(limit))], nil
}

func (p profiles) Delete(tenant access.TenantID, id access.PrincipalID) error {
	v, err := p.Get(tenant, id)
	if err != nil {
		return err
	}
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	delete(p.tx.books.profiles.mine(p.tx), key{tenant, string(v.ProfileID)})
	return nil
}

// session is a session with its token, or with what leads to one.
type session struct {
	store.Pending
	token  store.SecretHash
	issued bool
	// rotation is a browser's.
	rotation store.Rotation
}

// sessions implements store.Sessions.
type sessions struct{ tx *tx }

// one finds the only session of a tenant that is so.
func (s sessions) one(tenant access.TenantID, is func(session) bool, missing string) (session, error) {
	if err := s.tx.mayRead(); err != nil {
		return session{}, err
	}
	for k, v := range s.tx.books.sessions.rows {
		if k.tenant == tenant && is(v) {
			return v, nil
		}
	}
	return session{}, access.Errorf(access.KindNotFound, "%s", missing)
}

func (s sessions) Insert(v store.Pending) error {
	if _, err := s.ByCode(v.Tenant, v.Code); err == nil {
		return access.Errorf(access.KindConflict, "There is a session %.128q already.", v.ID)
	}
	if v.Until.IsZero() {
		return s.tx.refuse("The store refuses a code without an end.")
	}
	v.Until = whole(v.Until)
	return s.insert(session{Pending: v})
}

func (s sessions) Begin(v access.Session, token store.SecretHash) error {
	if _, err := s.ByToken(v.Tenant, token); err == nil {
		return access.Errorf(access.KindConflict, "There is a session %.128q already.", v.ID)
	}
	return s.insert(session{Pending: store.Pending{Session: v}, token: token, issued: true})
}

func (s sessions) insert(v session) error {
	kinds := []access.SessionKind{access.SessionSignIn, access.SessionBrowser, access.SessionToken, access.SessionWorkload}
	if v.Principal.Issuer == "" || v.Principal.Subject == "" || v.EndsAt.IsZero() || !slices.Contains(kinds, v.Kind) {
		return s.tx.refuse("The store refuses a session of nobody, of no kind, or without an end.")
	}
	v.CreatedAt, v.UsedAt, v.EndsAt = whole(v.CreatedAt), whole(v.UsedAt), whole(v.EndsAt)
	v.Scopes = slices.Clone(v.Scopes)
	return insert(s.tx, &s.tx.books.sessions, "session", key{v.Tenant, string(v.ID)}, v)
}

func (s sessions) ByCode(tenant access.TenantID, code store.SecretHash) (store.Pending, error) {
	v, err := s.one(tenant, func(v session) bool { return !v.issued && v.Code == code }, "This code is not known, or was used.")
	return v.Pending, err
}

func (s sessions) Issue(tenant access.TenantID, id access.SessionID, token store.SecretHash) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(id)}
	v, there := s.tx.books.sessions.rows[k]
	if !there || v.issued {
		return movedOn("session", string(id))
	}
	v.token, v.issued, v.Code, v.Challenge, v.Until = token, true, store.SecretHash{}, "", time.Time{}
	s.tx.books.sessions.mine(s.tx)[k] = v
	return nil
}

func (s sessions) Get(tenant access.TenantID, id access.SessionID) (access.Session, error) {
	v, err := s.one(tenant, func(v session) bool { return v.issued && v.ID == id }, "There is no such session.")
	return v.Session, err
}

func (s sessions) ByToken(tenant access.TenantID, token store.SecretHash) (access.Session, error) {
	v, err := s.one(tenant, func(v session) bool { return v.issued && v.token == token }, "There is no session of this token.")
	return v.Session, err
}

func (s sessions) Rotation(tenant access.TenantID, id access.SessionID) (store.Rotation, error) {
	v, err := s.one(tenant, func(v session) bool { return v.ID == id && !v.rotation.At.IsZero() }, "There is no such session.")
	return v.rotation, err
}

func (s sessions) Rotate(tenant access.TenantID, id access.SessionID, r store.Rotation) error {
	k := key{tenant, string(id)}
	v, err := find(s.tx, s.tx.books.sessions.rows, "session", k)
	if err != nil {
		return err
	}
	if v.Kind != access.SessionBrowser {
		return access.Errorf(access.KindNotFound, "The session %.128q is no browser's.", id)
	}
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	if r.At.IsZero() {
		return s.tx.refuse("The store refuses a secret that was never made.")
	}
	r.At = whole(r.At)
	v.rotation = r
	s.tx.books.sessions.mine(s.tx)[k] = v
	return nil
}

func (s sessions) Use(tenant access.TenantID, id access.SessionID, at time.Time) error {
	k := key{tenant, string(id)}
	v, err := find(s.tx, s.tx.books.sessions.rows, "session", k)
	if err != nil {
		return err
	}
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	if at = whole(at); v.UsedAt.Before(at) {
		v.UsedAt = at
		s.tx.books.sessions.mine(s.tx)[k] = v
	}
	return nil
}

func (s sessions) List(tenant access.TenantID, filter store.SessionFilter, page store.Page) (items []access.Session, next string, err error) {
	if err := s.tx.mayRead(); err != nil {
		return nil, "", err
	}
	rows, next, err := list(s.tx.books.sessions.rows, "sessions", tenant, page, func(v session) bool {
		return v.issued && (filter.Principal.IsZero() || v.Principal == filter.Principal) && (filter.Person == "" || v.Person == filter.Person)
	})
	for _, v := range rows {
		items = append(items, v.Session)
	}
	return items, next, err
}

func (s sessions) Delete(tenant access.TenantID, id access.SessionID) error {
	return remove(s.tx, &s.tx.books.sessions, "session", key{tenant, string(id)})
}

func (s sessions) DeleteOf(tenant access.TenantID, person access.PersonID) (n int, err error) {
	_, err = s.deleteThose(tenant, len(s.tx.books.sessions.rows), func(v session) bool {
		if v.Person == person && v.issued {
			n++
		}
		return v.Person == person
	})
	return n, err
}

func (s sessions) DeleteSignIns(tenant access.TenantID, of store.SignIns) (ended []access.Session, err error) {
	if of.Subject == "" && of.ProviderSession == "" {
		return nil, access.Errorf(access.KindInvalid, "a selection of sign-ins without a subject and without a session")
	}
	_, err = s.deleteThose(tenant, len(s.tx.books.sessions.rows), func(v session) bool {
		is := v.Kind.IsSignIn() && v.Principal.Issuer == of.Source && (of.Subject == "" || v.Principal.Subject == of.Subject) &&
			(of.ProviderSession == "" || v.ProviderSession == of.ProviderSession)
		if is && v.issued {
			ended = append(ended, v.Session)
		}
		return is
	})
	slices.Reverse(ended)
	return ended, err
}

func (s sessions) DeleteEnded(tenant access.TenantID, now, idle time.Time, limit int) (int, error) {
	return s.deleteThose(tenant, clampLimit(limit), func(v session) bool {
		return !v.EndsAt.After(now) || v.Kind.IsSignIn() && !v.UsedAt.After(idle) || !v.issued && !v.Until.After(now)
	})
}

// deleteThose deletes up to limit sessions, in the order of their IDs.
func (s sessions) deleteThose(tenant access.TenantID, limit int, are func(session) bool) (n int, err error) {
	if err := s.tx.mayWrite(); err != nil {
		return 0, err
	}
	rows := s.tx.books.sessions.mine(s.tx)
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b key) int { return cmp.Compare(a.id, b.id) }) {
		if n < limit && k.tenant == tenant && are(rows[k]) {
			delete(rows, k)
			n++
		}
	}
	return n, nil
}
