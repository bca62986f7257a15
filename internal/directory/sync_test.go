package directory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// office is a source that lists whom a test says. internal/identity/ldap reads real ones.
type office struct {
	people []identity.Account
	err    error
	reads  atomic.Int32
	away   atomic.Bool
	during func(ctx context.Context)
}

// List implements identity.Lister.
func (o *office) List(ctx context.Context) ([]identity.Account, error) {
	o.reads.Add(1)
	if o.during != nil {
		o.during(ctx)
	}
	if o.away.Load() {
		return nil, errors.New("away")
	}
	return slices.Clone(o.people), errors.Join(o.err, ctx.Err())
}

func staff(n int) []identity.Account {
	people := make([]identity.Account, n)
	for i := range people {
		people[i] = identity.Account{
			Subject: fmt.Sprintf("id-%03d", i), Name: fmt.Sprintf("Clerk %d", i), Groups: []string{"staff"}, Attributes: map[string]string{"mail": fmt.Sprintf("c%d@acme.example", i)},
		}
	}
	return people
}

func (o *office) source() directory.Synced {
	return directory.Synced{Name: "corp", Lister: o, Every: 15 * time.Minute, MaxLoss: 20}
}

func newSync(w *World, holder string, o *office) *directory.Sync {
	return directory.NewSync(directory.SyncConfig{
		Sources: []directory.Synced{o.source()}, Registrar: w.Registrar, Holder: holder, Log: slog.New(slog.DiscardHandler),
	})
}

func clerks(t *testing.T, w *World, selector string) (subjects []string) {
	t.Helper()
	members, err := w.Directory.Members(t.Context(), mustSelector(t, selector))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		subjects = append(subjects, m.ID.Subject)
	}
	return subjects
}

func read(t *testing.T, s *directory.Sync, o *office) error {
	t.Helper()
	return s.Read(t.Context(), o.source(), 0)
}

// A source is read again and again: people come, change, leave and return.
func TestSync(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		o := &office{people: staff(120)}
		s := newSync(w, "node", o)
		if err := read(t, s, o); err != nil {
			t.Fatal(err)
		}
		if got := clerks(t, w, "group:corp/staff"); len(got) != 120 {
			t.Errorf("%d people", len(got))
		}
		at := end(t, w)
		if err := read(t, s, o); err != nil {
			t.Fatal(err)
		}
		if kinds, _ := entries(t, w, at); kinds != nil {
			t.Errorf("the same once more enters %v", kinds)
		}
		// One leaves, and has a token; one changes.
		token, session := tokenOf(t, w, access.PrincipalID{Issuer: "corp", Subject: "id-000"})
		o.people = o.people[1:]
		o.people[0].Groups = []string{"staff", "leads"}
		if err := read(t, s, o); err != nil {
			t.Fatal(err)
		}
		refusedToken(t, w, "the token of who has left", token)
		if kinds, _ := entries(t, w, at); !slices.Equal(kinds, []string{"session.begun", "principal.gone", "principal.changed"}) {
			t.Errorf("entered: %v", kinds)
		}
		if got := clerks(t, w, "group:corp/leads"); !slices.Equal(got, []string{"id-001"}) {
			t.Errorf("leads: %v", got)
		}
		o.people = staff(120)
		if err := read(t, s, o); err != nil {
			t.Fatal(err)
		}
		if p, err := w.Directory.Principal(t.Context(), access.PrincipalID{Issuer: "corp", Subject: "id-000"}); err != nil || p.Person != session.Person {
			t.Errorf("who has returned: %+v, %v", p, err)
		}
		if st := s.Statuses(); len(st) != 1 || st[0].Failing || st[0].HeldBack != 0 || st[0].Name != "corp" {
			t.Errorf("status: %+v", st)
		}
	})
}

// tokenOf gives somebody a token.
func tokenOf(t *testing.T, w *World, id access.PrincipalID) (string, access.Session) {
	t.Helper()
	p, err := w.Directory.Principal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	token, s, err := w.Registrar.MakeToken(t.Context(), access.Caller{Principal: p}, directory.TokenOrder{Principal: id, Scopes: []access.Scope{access.ScopeRead}, For: time.Hour, Label: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

// A directory that answers with too little takes nothing from anybody, and says so; one that fails neither.
func TestBrokenSource(t *testing.T) {
	for name, c := range map[string]struct {
		before int
		change func(*office)
		lost   int // 0: it is taken over
		kind   access.Kind
	}{
		"nobody":             {before: 100, change: func(o *office) { o.people = nil }, lost: 100, kind: access.KindMisconfigured},
		"a fifth less":       {before: 100, change: func(o *office) { o.people = o.people[20:] }},
		"more than a fifth":  {before: 100, change: func(o *office) { o.people = o.people[21:] }, lost: 21, kind: access.KindMisconfigured},
		"ten of eleven":      {before: 11, change: func(o *office) { o.people = o.people[10:] }},
		"all of a few":       {before: 10, change: func(o *office) { o.people = nil }},
		"nobody in a group":  {before: 100, change: func(o *office) { ungroup(o.people) }, lost: 100, kind: access.KindMisconfigured},
		"others in no group": {before: 100, change: func(o *office) { ungroup(o.people[:10]); o.people = o.people[:89] }, lost: 21, kind: access.KindMisconfigured},
		"an error":           {before: 100, change: func(o *office) { o.err, o.people = errors.New("away"), nil }, kind: access.KindInternal},
		"half, and an error": {before: 100, change: func(o *office) { o.err, o.people = access.Errorf(access.KindExhausted, "cut"), o.people[:50] }, kind: access.KindExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				o := &office{people: staff(c.before)}
				s := newSync(w, "node", o)
				if err := read(t, s, o); err != nil {
					t.Fatal(err)
				}
				at := end(t, w)
				c.change(o)
				err := read(t, s, o)
				kinds, _ := entries(t, w, at)
				st := s.Statuses()[0]
				if bad := c.lost > 0 || c.kind != access.KindInternal || o.err != nil; bad {
					if err == nil || access.KindOf(err) != c.kind || len(kinds) != 0 || !st.Failing || st.HeldBack != c.lost {
						t.Errorf("%v; entered %v; %+v", err, kinds, st)
					}
					return
				}
				if err != nil || len(clerks(t, w, "group:corp/staff")) != len(o.people) || st.Failing {
					t.Errorf("%v; %+v", err, st)
				}
			})
		})
	}
}

func ungroup(people []identity.Account) {
	for i := range people {
		people[i].Groups = nil
	}
}

// One node at a time reads, at the intervals of the configuration, and what failed is tried again soon.
func TestSyncTakesTurns(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		o := &office{people: staff(3)}
		a, b := newSync(w, "a", o), newSync(w, "b", o)
		o.during = func(ctx context.Context) {
			if ctx.Value(o) != nil {
				return
			}
			n := o.reads.Load()
			if err := b.Read(context.WithValue(t.Context(), o, true), o.source(), 0); err != nil || o.reads.Load() != n {
				t.Errorf("while another reads: %v, %d reads", err, o.reads.Load()-n)
			}
		}
		if err := read(t, a, o); err != nil {
			t.Fatal(err)
		}
		o.during = nil
		a.Start()
		b.Start()
		defer a.Stop()
		defer b.Stop()
		synctest.Wait()
		first := o.reads.Load() // each node reads when it starts, unless the other just does
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if n := o.reads.Load() - first; n != 3 {
			t.Errorf("%d reads in an hour", n)
		}
		o.away.Store(true)
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		before := o.reads.Load()
		o.away.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := o.reads.Load() - before; n < 1 || n > 2 {
			t.Errorf("%d reads within a minute after it failed", n)
		}
	})
}

// A node that loses its turn in the middle writes nothing more.
func TestSyncLosesItsTurn(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		o := &office{people: staff(3)}
		s := newSync(w, "slow", o)
		o.during = func(context.Context) {
			time.Sleep(9 * time.Minute)
			if err := w.Engine.Change(t.Context(), "other", func(tx store.Tx, _ directory.Enter) error {
				if err := tx.Leases().Release(directory.SourceCursor("corp"), "slow"); err != nil {
					return err
				}
				_, err := tx.Leases().Acquire(directory.SourceCursor("corp"), "fast", tx.Now().Add(time.Hour))
				return err
			}); err != nil {
				t.Error(err)
			}
		}
		if err := read(t, s, o); access.KindOf(err) != access.KindConflict {
			t.Errorf("%v", err)
		}
		if got := clerks(t, w, "group:corp/staff"); len(got) != 0 {
			t.Errorf("it wrote %v", got)
		}
	})
}
