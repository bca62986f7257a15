package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/store"
)

// owner is who runs the target and gives and takes access there beside Curfew, and what is theirs.
type owner struct {
	// accounts and members are what nobody but the owner may change.
	accounts map[string]memory.Account
	members  map[right]access.Mark
	// unclear are rights without a mark that the owner gave while Curfew was about to: nobody can tell whose they are.
	unclear map[right]bool
	// amid is whose turn at a right it was when the owner last changed it.
	amid map[right]string
	// taken are the rights that the owner has ever taken away; of those in missing nobody has made anew.
	taken, missing map[right]bool
	// overtaken are the rights that were missing when the target hastily said that it had removed them: reading back shows
	// them gone, and nobody can tell that the order is still to come, which may take what was given anew.
	overtaken map[right]bool
	// robbed are the grants whose object the owner has removed; those in final were active, with no order under way.
	robbed, final map[access.GrantID]bool
	// changes counts what the owner has done.
	changes int
}

func newOwner() owner {
	return owner{
		accounts: map[string]memory.Account{}, members: map[right]access.Mark{}, unclear: map[right]bool{}, amid: map[right]string{},
		taken: map[right]bool{}, missing: map[right]bool{}, overtaken: map[right]bool{}, robbed: map[access.GrantID]bool{}, final: map[access.GrantID]bool{},
	}
}

// othersMarks are what may be written on what is not ours: nothing, the mark of another installation, and one that
// looks like ours.
func othersMarks() []access.Mark {
	return []access.Mark{"", "curfew1:elsewhere:default:orders-db:gr_0001:mac", "curfew1:" + installation + ":default:orders-db:gr_0001:mac"}
}

// endow gives people some access before anybody asks Curfew for any.
func (w *World) endow() {
	for range w.choose.among(3, 1, 1) {
		if w.shared() {
			w.addMember(right{one(w.choose, members()), one(w.choose, w.setup.groupNames)}, w.othersMark())
		} else {
			w.addGuest()
		}
	}
}

// tend has the owner give or take something.
func (w *World) tend() {
	w.changed = true
	w.owner.changes++
	w.reached["owner"]++
	if !w.shared() {
		w.tendAccounts()
		return
	}
	r := right{one(w.choose, members()), one(w.choose, w.setup.groupNames)}
	if _, there := w.seen.members[r]; there && w.choose.chance(60) {
		w.removeMember(r)
		return
	}
	w.addMember(r, w.othersMark())
}

func (w *World) tendAccounts() {
	if g, ok := pickOf(w.choose, w.seen.grants, func(g access.Grant) bool { return g.State.Live() && w.hasAccount(g.ID) }); ok && w.choose.chance(40) {
		w.rob(g)
		return
	}
	guests := w.seen.others
	if a, ok := pickOf(w.choose, guests, func(memory.Account) bool { return true }); ok && w.choose.chance(50) {
		w.target.RemoveAccount(a.Name)
		delete(w.owner.accounts, a.Name)
		w.trace.add("owner", "removes the account %s", a.Name)
		return
	}
	if len(guests) < maxGuests {
		w.addGuest()
	}
}

// maxGuests is how many accounts of others there are at most.
const maxGuests = 3

func (w *World) addGuest() {
	w.addAccount(memory.Account{Name: fmt.Sprintf("guest-%d", len(w.owner.accounts)+w.owner.changes), Mark: w.othersMark(), Resource: "orders", Permission: "read"})
}

// addAccount makes an account of the owner's own.
func (w *World) addAccount(a memory.Account) {
	if err := w.target.AddAccount(a, ""); err != nil {
		panic("simulation: " + err.Error())
	}
	w.owner.accounts[a.Name] = a
	w.trace.add("owner", "adds the account %s %s", a.Name, a.Mark)
}

// hasAccount reports whether the account of a grant was there when it was last looked, and not put there by the run.
func (w *World) hasAccount(id access.GrantID) bool {
	_, there := w.seen.accounts[id]
	return there && w.strays[id] == nil
}

// rob removes the account of a live grant.
func (w *World) rob(g access.Grant) {
	w.target.RemoveAccount(w.seen.accounts[g.ID].Name)
	underWay := slices.ContainsFunc(w.underWay, func(o *order) bool { return o.Grant == g.ID && o.call == connector.CallGrant })
	w.owner.robbed[g.ID] = true
	w.owner.final[g.ID] = g.State == access.GrantActive && g.ActBy.IsZero() && !underWay
	w.trace.add("owner", "removes the account of %s", g.ID)
}

// othersMark is something that may stand on what is not ours.
func (w *World) othersMark() access.Mark {
	if w.shape == connector.BareRight {
		return ""
	}
	return one(w.choose, othersMarks())
}

// addMember gives a right. What is there and bears a mark is the owner's from then on, since the mark is. What is there
// and bears none stays what it is. What nobody holds, and nobody works on, is the owner's.
func (w *World) addMember(r right, mark access.Mark) {
	_, there := w.seen.members[r]
	held := w.turnAt(r).Lease != "" || count(w.seen.grants, func(g access.Grant) bool { return w.holds(g, r) }) > 0
	w.touch(r)
	w.target.AddMember(memory.Member{Account: r.account, Group: r.group, Mark: mark})
	w.trace.add("owner", "adds %s %s", r, mark)
	_, theirs := w.owner.members[r]
	switch {
	case w.shape == connector.MarkedRight, !held && (!there || w.owner.unclear[r]):
		w.owner.members[r] = mark
		delete(w.owner.unclear, r)
	case !there && !theirs:
		w.owner.unclear[r] = true
	}
}

func (w *World) removeMember(r right) {
	w.touch(r)
	w.target.RemoveMember(r.account, r.group)
	delete(w.owner.members, r)
	delete(w.owner.unclear, r)
	w.owner.taken[r], w.owner.missing[r] = true, true
	w.trace.add("owner", "removes %s", r)
}

// touch notes that the owner changes a right.
func (w *World) touch(r right) {
	w.owner.amid[r] = w.turnAt(r).Lease
	for _, s := range w.strays {
		s.touched = s.touched || s.right == r
	}
}

// learnOwner notes what somebody has made again, and of what it is clear, or no longer clear, whose it is.
func (w *World) learnOwner(before, now *state) {
	for r := range now.members {
		delete(w.owner.missing, r)
	}
	for r := range w.owner.unclear {
		if _, there := now.members[r]; !there {
			delete(w.owner.unclear, r)
		}
	}
	if w.shape != connector.BareRight {
		return
	}
	for id, g := range now.grants {
		// Two administrators have said that this is gone. Who finds it there takes it for somebody's own.
		if !isAttested(g) || isAttested(before.grants[id]) && !w.mayStillAct(id) {
			continue
		}
		for _, r := range w.rightsOf(g) {
			if _, there := now.members[r]; there && !w.isOwners(r) {
				w.owner.unclear[r] = true
			}
		}
	}
}

// isOwners reports whether a right may be the owner's.
func (w *World) isOwners(r right) bool {
	_, theirs := w.owner.members[r]
	return theirs || w.owner.unclear[r]
}

// errPeeked undoes a transaction that only looks.
var errPeeked = errors.New("peeked")

// turnAt reads what the books say of a right, and who works on it.
func (w *World) turnAt(r right) store.Atom {
	var atom store.Atom
	err := w.books.Update(context.Background(), "peek", func(tx store.Tx) error {
		lane := store.Lane{Tenant: access.DefaultTenant, Connector: connectorName}
		a, answer, err := tx.Atoms().Lease(lane, access.Atom{Target: targetName, Account: r.account, Right: r.group}, "peek", tx.Now().Add(time.Second))
		if err != nil {
			return err
		}
		if atom = a; answer == store.TurnBegun {
			atom.Lease = ""
		}
		return errPeeked
	})
	if !errors.Is(err, errPeeked) {
		w.breaks("the store answers", "%v", err)
	}
	return atom
}
