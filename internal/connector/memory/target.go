package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// OwnAccount is the account that a target's drivers act and read as. It is there from the start and is their positive
// control: a reader who cannot see it sees nothing.
const OwnAccount = "curfew"

// objectHeir is who owns what a removed account leaves.
const objectHeir = "owner"

// Target is a system that access is given to. It is safe for concurrent use; any number of drivers share one.
type Target struct {
	name   string
	clock  access.Clock
	random io.Reader
	hook   func(context.Context, connector.Call, Moment) error

	mu        sync.Mutex
	resources map[string]access.Resource
	accounts  map[string]*account
	// groups are those that an entitlement stands for, where it is not the one of its own name.
	groups  map[string][]string
	members map[membership]access.Mark
	// objects are the names of what each account made, by the account's name, which they survive.
	objects       map[string][]string
	objectsLocked bool
	blind         bool
	ignoresActBy  bool
	down          bool
	faults        []*fault
}

// Options say what a target is. Every field may be left empty.
type Options struct {
	// Name is the target's identity, part of its atoms. Empty means "memory".
	Name string
	// Clock is the target's own. Nil is the system's.
	Clock access.Clock
	// Random is what passwords are made of. Nil is crypto/rand; a simulation gives its own.
	Random io.Reader
	// Resources are what can be asked for.
	Resources []access.Resource
	// Pass is asked at every moment of every call, before the faults are: it holds the call up by not returning, and
	// fails it with an error. Nil lets everything pass. Nothing is locked meanwhile.
	Pass func(context.Context, connector.Call, Moment) error
	// Groups are what an entitlement stands for in a target with groups, by RESOURCE:PERMISSION. An entitlement that is
	// not here stands for one group of that name.
	Groups map[string][]string
}

// NewTarget makes a target that has nothing but its resources and OwnAccount.
func NewTarget(o Options) *Target {
	t := &Target{
		name:      cmp.Or(o.Name, "memory"),
		clock:     o.Clock,
		random:    o.Random,
		hook:      o.Pass,
		resources: map[string]access.Resource{},
		accounts:  map[string]*account{OwnAccount: {Account: Account{Name: OwnAccount}}},
		objects:   map[string][]string{},
		groups:    maps.Clone(o.Groups),
		members:   map[membership]access.Mark{},
	}
	if t.clock == nil {
		t.clock = access.SystemClock{}
	}
	if t.random == nil {
		t.random = rand.Reader
	}
	for _, r := range o.Resources {
		t.AddResource(r)
	}
	return t
}

// Account is an account at the target, as its owner sees it.
type Account struct {
	Name string
	// Mark is empty for accounts that no installation of Curfew made.
	Mark access.Mark
	// Resource and Permission are what it may use.
	Resource, Permission string
	// Comment says for whom it is.
	Comment string
	// Expiry is the moment from which log-ins are refused; zero is never.
	Expiry time.Time
	// Sessions counts the open ones; AddAccount does not read it.
	Sessions int
}

// account is an Account with what nobody may see or what changes with use.
type account struct {
	Account
	// password is empty for an account that nobody can log in to.
	password string
	// passwords counts the passwords that it has had, so that a snapshot shows a change and no secret.
	passwords int
	sessions  map[*Session]struct{}
}

func (a *account) setPassword(password string) {
	a.password = password
	a.passwords++
}

// AddResource adds a resource or replaces the one of that name.
func (t *Target) AddResource(r access.Resource) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.resources[r.Name] = r
}

// AddAccount makes an account behind Curfew's back: a standing one, or with a mark one of another installation. With an
// empty password nobody can log in to it.
func (t *Target) AddAccount(a Account, password string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.accounts[a.Name]; there {
		return fmt.Errorf("the account %q is there already", a.Name)
	}
	a.Sessions = 0
	t.accounts[a.Name] = &account{Account: a, password: password}
	return nil
}

// RemoveAccount removes an account and its sessions behind Curfew's back, and reports whether it was there.
func (t *Target) RemoveAccount(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, there := t.accounts[name]
	if there {
		t.remove(a)
	}
	return there
}

// remove ends the account's sessions and deletes it. The caller holds the lock.
func (t *Target) remove(a *account) (sessionsEnded int) {
	sessionsEnded = len(a.sessions)
	a.sessions = nil
	delete(t.accounts, a.Name)
	return sessionsEnded
}

// Accounts lists the accounts by name.
func (t *Target) Accounts() []Account {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Account, 0, len(t.accounts))
	for _, a := range t.accounts {
		seen := a.Account
		seen.Sessions = len(a.sessions)
		list = append(list, seen)
	}
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// SetBlind takes from the drivers, or gives back, the right to read: they then see no account at all, their own
// included.
func (t *Target) SetBlind(blind bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blind = blind
}

// LockObjects keeps drivers from tidying up objects, or lets them again.
func (t *Target) LockObjects(locked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.objectsLocked = locked
}

// DropObject removes an object, whoever owns it.
func (t *Target) DropObject(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for owner, objects := range t.objects {
		t.setObjects(owner, slices.DeleteFunc(objects, func(o string) bool { return o == name }))
	}
}

func (t *Target) setObjects(owner string, objects []string) {
	if len(objects) == 0 {
		delete(t.objects, owner)
		return
	}
	t.objects[owner] = objects
}

// Snapshot is a canonical text of the resources, the accounts, the memberships and the objects, without the sessions and
// without what bears one of the marks.
func (t *Target) Snapshot(without ...access.Mark) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, r := range t.resources {
		lines = append(lines, fmt.Sprintf("resource %q %q\n", r.Name, r.Permissions))
	}
	hidden := map[string]bool{}
	for _, a := range t.accounts {
		if a.Mark != "" && slices.Contains(without, a.Mark) {
			hidden[a.Name] = true
			continue
		}
		lines = append(lines, fmt.Sprintf("account %q mark=%q right=%q comment=%q expiry=%d passwords=%d open=%t\n",
			a.Name, a.Mark, a.Resource+":"+a.Permission, a.Comment, access.Micros(a.Expiry), a.passwords, a.password != ""))
	}
	for m, mark := range t.members {
		if mark == "" || !slices.Contains(without, mark) {
			lines = append(lines, fmt.Sprintf("member %q of %q mark=%q\n", m.account, m.group, mark))
		}
	}
	for _, owner := range slices.Sorted(maps.Keys(t.objects)) {
		if !hidden[owner] {
			lines = append(lines, fmt.Sprintf("objects of %q: %q\n", owner, slices.Sorted(slices.Values(t.objects[owner]))))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// newPassword is 256 random bits. The caller holds the lock, which also keeps the source of randomness to one reader.
func (t *Target) newPassword() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(t.random, b[:]); err != nil {
		return "", errors.New("the source of randomness failed")
	}
	return fmt.Sprintf("%x", b), nil
}
