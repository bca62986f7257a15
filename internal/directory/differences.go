package directory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// differences are what a source says now and is not in the store.
type differences struct {
	// gone are those who are not in the source any more, and told those who are new, changed, or were not written for long.
	gone []access.PrincipalID
	told []identity.Account
	// present is how many there were in the source before, and lost how many of them are gone, or in no group any more.
	present, lost int
}

// fewLeavers is how many may always be lost at once.
const fewLeavers = 10

// tooMany reports whether so many are lost that the source is more likely broken than right.
func (d differences) tooMany(percent int) bool {
	return d.lost > fewLeavers && d.lost*100 > d.present*percent
}

// compare holds what a source says against what is known of it.
func compare(source string, known map[string]access.Profile, accounts []identity.Account, now time.Time) (d differences) {
	there := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		there[a.Subject] = true
		p, ok := known[a.Subject]
		told := principalOf(source, a)
		told.Person = p.Person
		if !ok || !p.GoneAt.IsZero() || !told.Equal(p.Principal) || now.Sub(p.ToldAt) >= toldStep {
			d.told = append(d.told, a)
		}
		if ok && p.GoneAt.IsZero() && len(p.Groups) > 0 && len(a.Groups) == 0 {
			d.lost++
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(known)) {
		p := known[subject]
		if !p.GoneAt.IsZero() {
			continue
		}
		d.present++
		if !there[subject] {
			d.lost++
			d.gone = append(d.gone, p.ID)
		}
	}
	return d
}

// profilesOf are those of a source, by subject.
func (r *Registrar) profilesOf(ctx context.Context, source string) (map[string]access.Profile, error) {
	known := map[string]access.Profile{}
	page := store.Page{Limit: 1000}
	for {
		var profiles []access.Profile
		err := r.directory().config.Store.View(ctx, func(tx store.Tx) (err error) {
			profiles, page.After, err = tx.Profiles().List(r.tenant, store.ProfileFilter{Issuer: source}, page)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range profiles {
			known[p.ID.Subject] = p
		}
		if page.After == "" {
			return known, nil
		}
	}
}
