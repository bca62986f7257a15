package ldap

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/ldapdial"
	"github.com/curfewhq/curfew/internal/secret"
)

// Config says what to read.
type Config struct {
	Server ldapdial.Server
	// Base is the entry below which people are, and Filter what they are told from others by; empty is the usual one of the
	// kind of directory.
	Base, Filter string
	// Attributes are the directory's attributes to keep, by the names that they become.
	Attributes map[string]string
	// Groups say where groups are; without a Base nobody has any.
	Groups Groups
}

// Groups say where groups are.
type Groups struct {
	Base, Filter string
	// Name is the attribute that has a group's name; empty is cn.
	Name string
}

// Source implements identity.Lister. A connection lives as long as one read.
type Source struct {
	config Config
	// secrets are taken out of errors: a server, or a proxy in front of it, may repeat there what it was told.
	secrets secret.Redactor
	now     func() time.Time
}

// New makes a Source, and connects to nothing. Whose account has expired is judged by now.
func New(c Config, now func() time.Time) *Source {
	return &Source{config: c, secrets: secret.NewRedactor(c.Server.Password), now: now}
}

// kind is what differs from one kind of directory to another.
type kind struct {
	active         bool
	id             string
	people, groups string
}

func openKind() kind {
	return kind{
		id: ldapdial.EntryUUID, people: "(objectClass=inetOrgPerson)",
		groups: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
	}
}

func activeKind() kind {
	return kind{
		active: true, id: ldapdial.ObjectGUID, people: "(&(objectCategory=person)(objectClass=user))", groups: "(objectClass=group)",
	}
}

// List implements identity.Lister.
func (s *Source) List(ctx context.Context) ([]identity.Account, error) {
	accounts, err := s.list(ctx)
	return accounts, s.secrets.Error(err)
}

func (s *Source) list(ctx context.Context) ([]identity.Account, error) {
	conn, err := s.config.Server.Connect(ctx)
	if err != nil {
		return nil, explain(ctx, err)
	}
	defer func() { _ = conn.Close() }()
	cut := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer cut()
	r := &reading{Conn: conn, config: s.config, now: s.now(), kind: openKind()}
	active, err := ldapdial.IsActiveDirectory(conn)
	if err != nil {
		return nil, explain(ctx, err)
	}
	if active {
		r.kind = activeKind()
	}
	people, err := r.people()
	if err == nil {
		nameManagers(people)
		err = r.addGroups(people)
	}
	if err != nil {
		return nil, explain(ctx, err)
	}
	accounts := make([]identity.Account, len(people))
	for i, p := range people {
		accounts[i] = p.Account
	}
	return accounts, nil
}

// reading is one read of a directory.
type reading struct {
	*protocol.Conn
	kind
	config Config
	now    time.Time
}

// person is somebody, with the entry of their manager, and how groups call them: by the name of the entry, or by that of the account
// (RFC 2307).
type person struct {
	identity.Account
	manager, dn string
	uids        []string
}

// people reads everybody who is not disabled.
func (r *reading) people() ([]*person, error) {
	wanted := []string{r.id, "cn", "displayName", "uid", manager, "userAccountControl", accountExpires, "nsAccountLock", "pwdAccountLockedTime", "loginDisabled"}
	for _, attribute := range r.config.Attributes {
		wanted = append(wanted, attribute)
	}
	filter := r.config.Filter
	if filter == "" {
		filter = r.kind.people
	}
	var people []*person
	ids := map[string]bool{}
	err := r.each(r.config.Base, filter, wanted, func(e *protocol.Entry) error {
		p, err := r.person(e)
		switch {
		case err != nil:
			return fmt.Errorf("the entry %.200q: %w", e.DN, err)
		case ids[p.Subject]:
			return fmt.Errorf("the entry %.200q has the %s of another", e.DN, r.id)
		case len(ids) >= identity.MaxAccounts:
			return fmt.Errorf("there are more than %d people; confine base or filter", identity.MaxAccounts)
		}
		ids[p.Subject] = true
		if !disabled(e) && !expired(e, r.now) {
			people = append(people, p)
		}
		return nil
	})
	if err == nil && len(ids) == 0 {
		// A base that is not there, an account that may see nothing and a filter that fits nobody look the same.
		err = access.Errorf(access.KindMisconfigured, "The directory shows nobody at all: check base and filter, and what Curfew's account may read.")
	}
	return people, err
}

// person reads what an entry says of somebody.
func (r *reading) person(e *protocol.Entry) (*person, error) {
	p := &person{dn: e.DN, uids: e.GetEqualFoldAttributeValues("uid"), manager: e.GetEqualFoldAttributeValue(manager), Account: identity.Account{Attributes: map[string]string{}}}
	if p.Subject = r.readID(e); p.Subject == "" {
		return nil, fmt.Errorf("it has no %s that Curfew's account may read", r.id)
	}
	for _, attribute := range []string{"displayName", "cn"} {
		if value := e.GetEqualFoldAttributeValue(attribute); p.Name == "" && checkText(value) == nil {
			p.Name = value // it is for people to read, and may be missing
		}
	}
	for name, attribute := range r.config.Attributes {
		values := e.GetEqualFoldAttributeValues(attribute)
		if len(values) == 0 {
			continue
		}
		// The order of several values is the server's whim; the least stays the same as long as it is there.
		value := slices.Min(values)
		if err := checkText(value); err != nil {
			return nil, fmt.Errorf("its %s: %w", attribute, err)
		}
		p.Attributes[name] = value
	}
	return p, nil
}

// manager is the attribute that has the name of the entry of somebody's manager (RFC 4524, and Active Directory's).
const manager = "manager"

// nameManagers finds out who the entries are that people have as their managers. One who is not among the people is nobody here.
func nameManagers(people []*person) {
	subjects := make(map[string]string, len(people))
	for _, p := range people {
		subjects[key(p.dn)] = p.Subject
	}
	for _, p := range people {
		if p.manager != "" {
			p.Manager = subjects[key(p.manager)]
		}
	}
}

func (r *reading) readID(e *protocol.Entry) string {
	if r.active {
		return ldapdial.GUIDText(e.GetEqualFoldRawAttributeValue(r.id))
	}
	id := e.GetEqualFoldAttributeValue(r.id)
	if len(id) > identity.MaxSubject || checkText(id) != nil {
		return ""
	}
	return id
}

// accountDisabled is the flag of userAccountControl by which Active Directory disables an account (MS-ADTS 2.2.16).
const accountDisabled = 0x2

// lockedForGood is what pwdAccountLockedTime says of an account that only an administrator unlocks
// (draft-behera-ldap-password-policy, section 5.3.3). Any other time is of wrong passwords, which others can type too.
const lockedForGood = "000001010000Z"

// disabled reports whether the directory says that somebody may not log in any more.
func disabled(e *protocol.Entry) bool {
	flags, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("userAccountControl"), 10, 64)
	return err == nil && flags&accountDisabled != 0 ||
		strings.EqualFold(e.GetEqualFoldAttributeValue("nsAccountLock"), "true") ||
		strings.EqualFold(e.GetEqualFoldAttributeValue("loginDisabled"), "true") ||
		e.GetEqualFoldAttributeValue("pwdAccountLockedTime") == lockedForGood
}

// accountExpires is when an account of Active Directory ends, in 100 ns since 1601; 0 and the largest number are never (MS-ADA1 2.1).
const (
	accountExpires = "accountExpires"
	unixEpoch      = 116_444_736_000_000_000
	perSecond      = 10_000_000
)

// expired reports whether the directory says that somebody may log in no longer.
func expired(e *protocol.Entry, now time.Time) bool {
	ends, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(accountExpires), 10, 64)
	return err == nil && ends != 0 && ends != math.MaxInt64 && !now.Before(time.Unix((ends-unixEpoch)/perSecond, 0))
}

// checkText refuses what cannot be kept or shown.
func checkText(value string) error {
	if len(value) > identity.MaxText {
		return fmt.Errorf("it has more than %d bytes", identity.MaxText)
	}
	if !identity.Showable(value) {
		return fmt.Errorf("it has characters that cannot be shown")
	}
	return nil
}
