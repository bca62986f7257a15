package changecontrol

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Judge knows what versions say.
type Judge interface {
	// Judge compares the texts of two versions, by what is known of people now.
	Judge(ctx context.Context, inForce, next Version) (Judgement, error)
}

// Judgement is what a version changes for those who administer Curfew.
type Judgement struct {
	// Administrators are those by the version in force.
	Administrators []access.Principal
	// Widened are the administrators, by either version, to whom it may give more; one principal for each person.
	Widened []Widening
}

// Widening says that a version may give somebody more, and why.
type Widening struct {
	Principal access.PrincipalID
	Person    access.PersonID
	Why       string
}

func (j Judgement) widening(person access.PersonID) (Widening, bool) {
	i := slices.IndexFunc(j.Widened, func(w Widening) bool { return w.Person == person })
	if i < 0 {
		return Widening{}, false
	}
	return j.Widened[i], true
}

// persons are the administrators, each once: those whom the version does not widen, and the others.
func (j Judgement) persons() (impartial, widened []access.PersonID) {
	for _, a := range j.Administrators {
		if _, wider := j.widening(a.Person); wider {
			widened = append(widened, a.Person)
		} else {
			impartial = append(impartial, a.Person)
		}
	}
	slices.Sort(impartial)
	slices.Sort(widened)
	return slices.Compact(impartial), slices.Compact(widened)
}

// pair is how many administrators must approve where the version widens all of them.
const pair = 2

// nobodyElse reports whether nobody could ever agree: there is no administrator but the one whom the version widens.
func (j Judgement) nobodyElse() bool {
	impartial, widened := j.persons()
	return len(impartial) == 0 && len(widened) < pair
}

// Needs is how many administrators must approve: one whom the version does not widen, or two where it widens all of them.
func (j Judgement) Needs() int {
	if impartial, _ := j.persons(); len(impartial) > 0 {
		return 1
	}
	return pair
}

// valid are the approvals of those who are administrators still, and may approve this.
func (j Judgement) valid(approvals []store.ConfigurationApproval) []store.ConfigurationApproval {
	return slices.DeleteFunc(slices.Clone(approvals), func(a store.ConfigurationApproval) bool {
		i := slices.IndexFunc(j.Administrators, func(p access.Principal) bool { return p.ID == a.By && p.Person == a.Person })
		return i < 0 || j.mayApprove(j.Administrators[i]) != nil
	})
}

// agreed reports whether enough have approved.
func (j Judgement) agreed(approvals []store.ConfigurationApproval) bool {
	return len(j.valid(approvals)) >= j.Needs()
}

// mayApprove refuses who has a stake in it while there is somebody who has none.
func (j Judgement) mayApprove(p access.Principal) error {
	w, wider := j.widening(p.Person)
	impartial, _ := j.persons()
	if !wider || len(impartial) == 0 {
		return nil
	}
	return access.Errorf(access.KindDenied, "This version may give you yourself more (%s), so that somebody else must approve it: an administrator whom it does not.", w.Why)
}

// maxWidens bounds what an audit entry says of whom a version widens.
const maxWidens = 4096

// widens is who is widened, and why, in words.
func (j Judgement) widens() string {
	var all []string
	for _, w := range j.Widened {
		all = append(all, fmt.Sprintf("%s (%s)", w.Principal, w.Why))
	}
	text := strings.Join(all, "; ")
	if len(text) > maxWidens {
		text = strings.ToValidUTF8(text[:maxWidens], "") + " …"
	}
	return text
}
