package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// provisioned implements store.Provisioned.
type provisioned struct{ tx *tx }

const provisionedColumns = `tenant, source, id, kind, name, name_key, external_id, document, created_at, changed_at, version`

func (p provisioned) Put(v store.ProvisionedResource) error {
	taken := alreadyThere(string(v.Kind), v.Name)
	text := `
		INSERT INTO provisioned (` + provisionedColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 + 1 ON CONFLICT DO NOTHING`
	args := []any{
		v.Tenant, v.Source.Name, v.ID, v.Kind, v.Name, v.Key, textOrNull(v.ExternalID), v.Document, micros(v.CreatedAt), micros(v.ChangedAt), v.Version,
	}
	if v.Version == 0 {
		return p.tx.insert(taken, text, args...)
	}
	if _, err := p.Get(v.Source, v.Kind, v.ID); err != nil {
		return err
	}
	// A violated key would end the transaction.
	others, err := queryAll(p.tx, scanOne[string],
		`SELECT id FROM provisioned WHERE tenant = $1 AND source = $2 AND kind = $3 AND name_key = $4 AND id <> $5`,
		v.Tenant, v.Source.Name, v.Kind, v.Key, v.ID)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return taken
	}
	return p.tx.insert(movedOn(string(v.Kind), v.ID), `
		UPDATE provisioned SET name = $5, name_key = $6, external_id = $7, document = $8, changed_at = $9, version = version + 1
		WHERE tenant = $1 AND source = $2 AND id = $3 AND kind = $4 AND version = $10`,
		v.Tenant, v.Source.Name, v.ID, v.Kind, v.Name, v.Key, textOrNull(v.ExternalID), v.Document, micros(v.ChangedAt), v.Version)
}

func (p provisioned) Get(source store.Source, kind store.ProvisionedKind, id string) (store.ProvisionedResource, error) {
	return queryOne(p.tx, scanProvisioned, notFound(string(kind), id),
		`SELECT `+provisionedColumns+` FROM provisioned WHERE tenant = $1 AND source = $2 AND id = $3 AND kind = $4`,
		source.Tenant, source.Name, id, kind)
}

// selecting is the condition of a filter.
func selecting(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter) *where {
	w := new(where)
	w.and("tenant", "=", source.Tenant)
	w.and("source", "=", source.Name)
	w.and("kind", "=", kind)
	for _, c := range []struct{ column, value string }{{"id", f.ID}, {"name_key", f.Key}, {"external_id", f.ExternalID}} {
		if c.value != "" {
			w.and(c.column, "=", c.value)
		}
	}
	if f.Member != "" {
		w.args = append(w.args, f.Member)
		w.andText("id IN (SELECT group_id FROM memberships WHERE tenant = $1 AND source = $2 AND user_id = " + w.param() + ")")
	}
	return w
}

func (p provisioned) List(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter, s store.Stretch) (
	[]store.ProvisionedResource, error,
) {
	w := selecting(source, kind, f)
	if s.After != "" {
		w.and("id", ">", s.After)
	}
	text := `SELECT ` + provisionedColumns + ` FROM provisioned` + w.String() + ` ORDER BY id` + w.limit(clampLimit(s.Limit))
	if s.Skip > 0 {
		w.args = append(w.args, s.Skip)
		text += ` OFFSET ` + w.param()
	}
	return queryAll(p.tx, scanProvisioned, text, w.args...)
}

func (p provisioned) Count(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter) (int, error) {
	w := selecting(source, kind, f)
	return queryOne(p.tx, scanOne[int], nil, `SELECT count(*) FROM provisioned`+w.String(), w.args...)
}

func (p provisioned) Delete(source store.Source, kind store.ProvisionedKind, id string) error {
	if _, err := p.Get(source, kind, id); err != nil {
		return err
	}
	for _, text := range []string{
		`DELETE FROM memberships WHERE tenant = $1 AND source = $2 AND group_id = $3`,
		`DELETE FROM memberships WHERE tenant = $1 AND source = $2 AND user_id = $3`,
		`DELETE FROM stale_users WHERE tenant = $1 AND source = $2 AND user_id = $3`,
		`DELETE FROM provisioned WHERE tenant = $1 AND source = $2 AND id = $3`,
	} {
		if _, err := p.tx.exec(text, source.Tenant, source.Name, id); err != nil {
			return err
		}
	}
	return nil
}

func scanProvisioned(r row) (v store.ProvisionedResource, err error) {
	err = r.Scan(&v.Tenant, &v.Source.Name, &v.ID, &v.Kind, &v.Name, &v.Key, textColumn{&v.ExternalID}, &v.Document,
		timeColumn{&v.CreatedAt}, timeColumn{&v.ChangedAt}, &v.Version)
	return v, err
}

// textColumn scans what textOrNull wrote.
type textColumn struct{ dst *string }

// Scan implements sql.Scanner.
func (c textColumn) Scan(src any) error {
	*c.dst, _ = src.(string)
	return nil
}

// userList is a list as JSON. The encoder would replace what is not UTF-8.
func userList(list []string) (string, error) {
	if len(list) > store.MaxMembers {
		return "", access.Errorf(access.KindInvalid, "One call names %d users at most, and this one names %d.", store.MaxMembers, len(list))
	}
	for _, s := range list {
		if err := checkText(s); err != nil {
			return "", access.Wrap(access.KindInvalid, err, "This is no identifier of a user.")
		}
	}
	return jsonText(append([]string{}, list...)) // an array, if it is empty
}
