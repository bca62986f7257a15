package sqlstore

import (
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// profiles implements store.Profiles.
type profiles struct{ tx *tx }

const profileColumns = `tenant, id, issuer, subject, kind, person, name, in_groups, attributes, acts_for_issuer,
	acts_for_subject, told_at, gone_at, undecided_since, version, formerly, manager`

func (p profiles) Put(v access.Profile) error {
	groups, err := jsonText(v.Groups)
	if err != nil {
		return err
	}
	attributes, err := jsonText(v.Attributes)
	if err != nil {
		return err
	}
	formerly, err := jsonText(v.Formerly)
	if err != nil {
		return err
	}
	text, taken := `
		INSERT INTO profiles (`+profileColumns+`)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 + 1, $16, $17 WHERE $15 = 0 ON CONFLICT DO NOTHING`,
		alreadyThere("profile of", v.ID.String())
	var had []string
	if v.Version > 0 {
		stored, err := p.Get(v.Tenant, v.ID)
		if err != nil {
			return err
		}
		had, taken = stored.Groups, movedOn("profile of", v.ID.String())
		text = `
			UPDATE profiles SET kind = $5, person = $6, name = $7, in_groups = $8, attributes = $9, acts_for_issuer = $10,
				acts_for_subject = $11, told_at = $12, gone_at = $13, undecided_since = $14, formerly = $16, manager = $17, version = version + 1
			WHERE tenant = $1 AND id = $2 AND issuer = $3 AND subject = $4 AND version = $15`
	}
	err = p.tx.insert(taken, text, v.Tenant, v.ProfileID, v.ID.Issuer, v.ID.Subject, v.Kind, v.Person, v.Name, groups, attributes,
		v.ActsFor.Issuer, v.ActsFor.Subject, micros(v.ToldAt), micros(v.GoneAt),
		micros(v.UndecidedSince), v.Version, formerly, v.Manager.String())
	if err != nil {
		return err
	}
	return p.regroup(v, had)
}

// regroup writes which groups the profile is in now, and no longer.
func (p profiles) regroup(v access.Profile, had []string) error {
	for _, name := range had {
		if slices.Contains(v.Groups, name) {
			continue
		}
		if _, err := p.tx.exec(`DELETE FROM profile_groups WHERE tenant = $1 AND name = $2 AND profile = $3`, v.Tenant, name, v.ProfileID); err != nil {
			return err
		}
	}
	for _, name := range v.Groups {
		if slices.Contains(had, name) {
			continue
		}
		_, err := p.tx.exec(`INSERT INTO profile_groups (tenant, name, profile) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, v.Tenant, name, v.ProfileID)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p profiles) Get(tenant access.TenantID, id access.PrincipalID) (access.Profile, error) {
	return queryOne(p.tx, scanProfile, notFound("profile of", id.String()),
		`SELECT `+profileColumns+` FROM profiles WHERE tenant = $1 AND issuer = $2 AND subject = $3`, tenant, id.Issuer, id.Subject)
}

func (p profiles) List(tenant access.TenantID, filter store.ProfileFilter, page store.Page) (
	items []access.Profile, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if filter.Issuer != "" {
		w.and("issuer", "=", filter.Issuer)
	}
	if filter.Person != "" {
		w.and("person", "=", filter.Person)
	}
	if filter.Group != "" {
		w.args = append(w.args, filter.Group)
		w.andText("id IN (SELECT profile FROM profile_groups WHERE tenant = $1 AND name = " + w.param() + ")")
	}
	limit, err := pageConditions(&w, profileList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + profileColumns + ` FROM profiles` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(p.tx, scanProfile, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, profileList, func(v access.Profile) string { return string(v.ProfileID) })
	return items, next, nil
}

func (p profiles) Undecided(tenant access.TenantID, limit int) ([]access.Profile, error) {
	return queryAll(p.tx, scanProfile, `
		SELECT `+profileColumns+` FROM profiles WHERE tenant = $1 AND undecided_since IS NOT NULL ORDER BY undecided_since, id`+limitTo("$2"),
		tenant, clampLimit(limit))
}

func (p profiles) Delete(tenant access.TenantID, id access.PrincipalID) error {
	v, err := p.Get(tenant, id)
	if err != nil {
		return err
	}
	had := v.Groups
	v.Groups = nil
	if err := p.regroup(v, had); err != nil {
		return err
	}
	_, err = p.tx.exec(`DELETE FROM profiles WHERE tenant = $1 AND id = $2`, tenant, v.ProfileID)
	return err
}

func scanProfile(r row) (v access.Profile, err error) {
	err = r.Scan(&v.Tenant, &v.ProfileID, &v.ID.Issuer, &v.ID.Subject, &v.Kind, &v.Person, &v.Name, jsonColumn{&v.Groups}, jsonColumn{&v.Attributes},
		&v.ActsFor.Issuer, &v.ActsFor.Subject, timeColumn{&v.ToldAt}, timeColumn{&v.GoneAt},
		timeColumn{&v.UndecidedSince}, &v.Version, jsonColumn{&v.Formerly},
		principalColumn{&v.Manager})
	return v, err
}
