package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	txLinked   store.TxName = "person-linked"
	txUnlinked store.TxName = "person-unlinked"
)

// maxReason bounds why an administrator links somebody, in bytes.
const maxReason = access.MaxReason

// Link is a person whose principals are one from now on.
type Link struct {
	// Person is what they are called now, and Formerly what some of them were called before.
	Person, Formerly access.PersonID
	// Moved are the principals that were Formerly's.
	Moved []access.PrincipalID
}

// LinkByProof makes the caller and the owner of another token one person: who has both tokens has signed in as both.
func (r *Registrar) LinkByProof(ctx context.Context, by access.Caller, token string) (Link, error) {
	other, err := r.directory().Authenticate(ctx, token)
	if err != nil {
		return Link{}, noProof(err)
	}
	if by.Session.Kind == access.SessionToken || other.Session.Kind == access.SessionToken || by.Kind != access.Human || other.Kind != access.Human {
		return Link{}, access.Errorf(access.KindDenied, "Humans are linked, and each account must have signed in: a token that was made for a program proves nothing.")
	}
	return r.link(ctx, by, by.Principal, other.Principal, map[string]string{"by": "proof"}, "", other.Session)
}

// noProof is the error of a token that nobody has, or not any more, where it was to prove something.
func noProof(err error) error {
	if access.KindOf(err) != access.KindUnauthenticated {
		return err
	}
	return access.Wrap(access.KindInvalid, err, "The proof of the other account is no token that is good here.")
}

// Link makes two humans' principals one person's, on the word of an administrator who is neither of them: together they would
// otherwise count as two. Nobody becomes a person of the configuration by it, who may have services, and be named by policies: the
// other account may be one of the administrator's, of which nobody knows.
func (r *Registrar) Link(ctx context.Context, admin access.Principal, one, other access.PrincipalID, reason string) (Link, error) {
	if err := r.mayRelate(admin, reason); err != nil {
		return Link{}, err
	}
	principals := make([]access.Principal, 2)
	for i, id := range []access.PrincipalID{one, other} {
		p, err := r.directory().Principal(ctx, id)
		if err != nil {
			return Link{}, err
		}
		if p.Kind != access.Human {
			return Link{}, access.Errorf(access.KindInvalid, "%s is no human: services and agents belong to whom the configuration says.", id)
		}
		if r.directory().lists(p.Person) {
			return Link{}, access.Errorf(access.KindDenied, "The configuration says who %s is, and only they can say that another account is theirs: by signing in with both (curfew persons link).", id)
		}
		if p.Person == admin.Person {
			return Link{}, access.Errorf(access.KindDenied, "You link your own accounts by signing in with both (curfew persons link); somebody else does it without.")
		}
		principals[i] = p
	}
	return r.link(ctx, access.Caller{Principal: admin}, principals[0], principals[1], map[string]string{"by": "administrator"}, reason, access.Session{})
}

// mayRelate says whether somebody may say who is whom.
func (r *Registrar) mayRelate(admin access.Principal, reason string) error {
	if !r.directory().HasRole(admin, access.RoleAdmin) {
		return access.Errorf(access.KindDenied, "Only an administrator says that two accounts are one person's, or are not.")
	}
	if reason == "" || len(reason) > maxReason {
		return access.Errorf(access.KindInvalid, "Say why, in at most %d bytes.", maxReason)
	}
	return nil
}

// link moves the principals of one person to another: to the one that the configuration names, if it names one of them. The session
// that has proven it ends, if there is one, whosever person stays. Neither that nor the caller's may have ended before.
func (r *Registrar) link(ctx context.Context, by access.Caller, one, other access.Principal, detail map[string]string, reason string, proof access.Session) (l Link, err error) {
	if one.Person == other.Person {
		return l, access.Errorf(access.KindConflict, "%s and %s are one person's already.", one.ID, other.ID)
	}
	if r.directory().lists(other.Person) {
		one, other = other, one
	}
	if r.directory().lists(other.Person) {
		return l, access.Errorf(access.KindConflict, "The configuration says whose both accounts are: give them one person there.")
	}
	err = r.books.Change(ctx, txLinked, func(tx store.Tx, enter func(access.Event) error) error {
		l = Link{Person: one.Person, Formerly: other.Person}
		if err := errors.Join(r.refuseMoved(tx, one), r.refuseMoved(tx, other)); err != nil {
			return err
		}
		if err := r.refuseEnded(tx, by.Session); err != nil {
			return err
		}
		if err := noProof(r.refuseEnded(tx, proof)); err != nil {
			return err
		}
		moved, ended, err := r.mayMove(tx, other.Person)
		if err != nil {
			return err
		}
		detail := merged(detail, map[string]string{"sessions": count(ended)})
		for _, p := range moved {
			p.Person, p.Formerly = l.Person, append(slices.Clone(p.Formerly), l.Formerly)
			if !planted.Active(planted.LinkUnnoticed) {
				undecided(&p, tx.Now())
			}
			if _, err := r.put(tx, p); err != nil {
				return err
			}
			l.Moved = append(l.Moved, p.ID)
			err := enter(access.Event{
				Kind: access.EventPersonLinked, Actor: by.ID, Subject: p.ID, Person: l.Person, Detail: detail,
				Personal: map[string]string{"person": string(l.Formerly), "reason": reason},
			})
			if err != nil {
				return err
			}
		}
		return r.endProof(tx, enter, by.ID, proof)
	})
	return l, err
}

// endProof ends the session that has proven an account, if it has not ended with those of the person that moved. A token of the
// configuration is nobody's session.
func (r *Registrar) endProof(tx store.Tx, enter Enter, actor access.PrincipalID, proof access.Session) error {
	if proof.ID == "" {
		return nil
	}
	err := tx.Sessions().Delete(r.tenant, proof.ID)
	if access.KindOf(err) == access.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return enter(sessionEvent(access.EventSessionEnded, proof, actor))
}

// refuseMoved is an error where somebody has left, or is another person by now: who is linked with who they were is linked with
// nobody.
func (r *Registrar) refuseMoved(tx store.Tx, p access.Principal) error {
	if _, listed := r.directory().principals[p.ID]; listed {
		return nil // they change with the configuration
	}
	now, err := tx.Profiles().Get(r.tenant, p.ID)
	if access.KindOf(err) == access.KindNotFound || err == nil && (!r.directory().there(now) || now.Person != p.Person) {
		return access.Errorf(access.KindConflict, "%s has left at this moment, or was linked or told apart; look again.", p.ID)
	}
	return err
}

// lists reports whether the configuration has a principal of the person.
func (d *Directory) lists(person access.PersonID) bool {
	for _, p := range d.principals {
		if p.Person == person {
			return true
		}
	}
	return false
}

// mayMove finds the principals of a person who is to be called otherwise, and ends their sessions, of which it says how many. What is under way, or
// frozen, is found by the person's name, so there must be nothing.
func (r *Registrar) mayMove(tx store.Tx, person access.PersonID) (profiles []access.Profile, ended int, err error) {
	profiles, next, err := tx.Profiles().List(r.tenant, store.ProfileFilter{Person: person}, store.Page{Limit: maxLinked})
	if err != nil {
		return nil, 0, err
	}
	if next != "" || len(profiles) == 0 {
		return nil, 0, access.Errorf(access.KindConflict, "Nobody has 0, or more than %d, accounts that are to be linked.", maxLinked)
	}
	pending, _, err := tx.Requests().List(r.tenant, store.RequestFilter{Person: person, State: access.RequestPending}, store.Page{Limit: 1})
	if err != nil {
		return nil, 0, err
	}
	live, _, err := tx.Grants().List(r.tenant, store.GrantFilter{Person: person, Unended: true}, store.Page{Limit: 1})
	if err != nil {
		return nil, 0, err
	}
	if len(pending)+len(live) > 0 {
		return nil, 0, access.Errorf(access.KindConflict, "%s has access or waits for it under the account: give it back, or withdraw the request, and try again.", profiles[0].ID)
	}
	if err := r.refuseAsking(tx, person, profiles); err != nil {
		return nil, 0, err
	}
	frozen, err := tx.Freezes().Covering(r.tenant, person, "")
	if err != nil {
		return nil, 0, err
	}
	if slices.ContainsFunc(frozen, func(f access.Freeze) bool { return f.Scope == access.FreezePerson }) {
		return nil, 0, access.Errorf(access.KindConflict, "%s is frozen: an administrator must lift that first.", profiles[0].ID)
	}
	ended, err = tx.Sessions().DeleteOf(r.tenant, person)
	return profiles, ended, err
}

// refuseAsking is an error while something waits that one of a person's accounts has asked for in another's name: an account of theirs
// that is called otherwise could review it.
func (r *Registrar) refuseAsking(tx store.Tx, person access.PersonID, profiles []access.Profile) error {
	accounts := r.directory().listed(policy.Selector("person:" + string(person)))
	for _, p := range profiles {
		accounts = append(accounts, p.Principal)
	}
	for _, p := range accounts {
		pending, _, err := tx.Requests().List(r.tenant, store.RequestFilter{AskedBy: p.ID, State: access.RequestPending}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(pending) > 0 {
			return access.Errorf(access.KindConflict, "%s has asked for something in another's name that waits still: withdraw the request, and try again.", p.ID)
		}
	}
	return nil
}

// maxLinked is how many principals of sources one person has at most.
const maxLinked = 50

// Unlink makes a principal a person of its own again, on the word of an administrator who is not that person.
func (r *Registrar) Unlink(ctx context.Context, admin access.Principal, id access.PrincipalID, reason string) (person access.PersonID, err error) {
	if err := r.mayRelate(admin, reason); err != nil {
		return "", err
	}
	err = r.books.Change(ctx, txUnlinked, func(tx store.Tx, enter func(access.Event) error) error {
		p, err := tx.Profiles().Get(r.tenant, id)
		if access.KindOf(err) == access.KindNotFound {
			return access.Errorf(access.KindNotFound, "No source tells of %s; whom the configuration lists are told apart there.", id)
		}
		if err != nil {
			return err
		}
		if p.Person == admin.Person {
			return access.Errorf(access.KindDenied, "Somebody else tells your accounts apart.")
		}
		if len(p.Formerly) == 0 {
			return access.Errorf(access.KindConflict, "%s is linked with no other account.", id)
		}
		_, ended, err := r.mayMove(tx, p.Person)
		if err != nil {
			return err
		}
		before := p.Person
		p.Formerly = append(slices.Clone(p.Formerly), before)
		p.Person = access.PersonID(r.ids.New(PersonPrefix))
		person = p.Person
		undecided(&p, tx.Now())
		if _, err := r.put(tx, p); err != nil {
			return err
		}
		return enter(access.Event{
			Kind: access.EventPersonUnlinked, Actor: admin.ID, Subject: p.ID, Person: p.Person,
			Detail:   map[string]string{"sessions": count(ended)},
			Personal: map[string]string{"person": string(before), "reason": reason},
		})
	})
	return person, err
}
