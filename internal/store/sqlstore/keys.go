package sqlstore

import (
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// keys implements store.Keys.
type keys struct{ tx *tx }

const (
	keyColumns = `tenant, generation, wrapper, sealing, authentication, made_at, idle_since`
	// older is a condition on a generation that is not the newest of its tenant.
	older = `generation < (SELECT max(newest.generation) FROM tenant_keys AS newest WHERE newest.tenant = $1)`
)

func (k keys) List(tenant access.TenantID) ([]store.Key, error) {
	return queryAll(k.tx, scanKey, `SELECT `+keyColumns+` FROM tenant_keys WHERE tenant = $1 ORDER BY generation`, tenant)
}

func (k keys) Insert(key store.Key) error {
	return k.tx.insert(alreadyThere("next key of tenant", string(key.Tenant)), `
		INSERT INTO tenant_keys (`+keyColumns+`)
		SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE $2 = 1 + (SELECT coalesce(max(generation), 0) FROM tenant_keys WHERE tenant = $1)
		ON CONFLICT DO NOTHING`,
		key.Tenant, key.Generation, key.Wrapper, bytesOrNull(key.Sealing), key.Authentication, micros(key.MadeAt), micros(key.IdleSince))
}

func (k keys) Rewrap(was, now store.Key) error {
	return k.change(was.Tenant, was.Generation, `
		UPDATE tenant_keys SET wrapper = $3, sealing = $4, authentication = $5
		WHERE tenant = $1 AND generation = $2 AND authentication = $6 AND sealing IS NOT DISTINCT FROM $7`,
		now.Wrapper, bytesOrNull(now.Sealing), now.Authentication, was.Authentication, bytesOrNull(was.Sealing))
}

func (k keys) SetIdle(tenant access.TenantID, generation int, since time.Time) error {
	return k.change(tenant, generation, `UPDATE tenant_keys SET idle_since = $3 WHERE tenant = $1 AND generation = $2`, micros(since))
}

// What needs a generation, as what a SELECT is of. The conditions are in the words of the partial indexes.
const (
	plansUnder          = ` FROM plans WHERE tenant = $1 AND key_generation = $2`
	configurationsUnder = ` FROM configurations WHERE tenant = $1 AND key_generation = $2`
	grantsUnder         = ` FROM grants WHERE tenant = $1 AND mark_generation = $2
		AND mark_generation > 0 AND (state <> 'ended' OR due_at IS NOT NULL)`
	rightsUnder = ` FROM atoms AS a WHERE a.tenant = $1 AND a.mark_generation = $2 AND a.mark_generation > 0 AND EXISTS (
		SELECT 1 FROM grant_atoms AS h WHERE h.tenant = a.tenant AND h.connector = a.connector AND h.target = a.target
			AND h.account = a.account AND h.native_right = a.native_right AND h.dropped_at IS NULL)`
	restoresUnder = ` FROM restores WHERE tenant = $1 AND key_generation = $2`
	// Of the log what is behind its tree, with a position and without, and its head.
	numberedUnder = ` FROM events WHERE tenant = $1 AND position IS NOT NULL AND
		position > (SELECT coalesce(max(h.size), 0) FROM log_heads AS h WHERE h.tenant = $1) AND mac IS NOT NULL AND mac_generation IN (0, $2)`
	unnumberedUnder = ` FROM events WHERE tenant = $1 AND position IS NULL AND mac IS NOT NULL AND mac_generation IN (0, $2)`
	headsUnder      = ` FROM log_heads WHERE tenant = $1 AND key_generation IN (0, $2)`
)

func (k keys) Uses(tenant access.TenantID, generation, limit int) (u store.KeyUses, err error) {
	for what, count := range map[string]*int{
		plansUnder: &u.Plans, configurationsUnder: &u.Configurations, grantsUnder: &u.Grants, rightsUnder: &u.Rights, restoresUnder: &u.Restores,
		numberedUnder: &u.Log, unnumberedUnder: &u.Log, headsUnder: &u.Log,
	} {
		n, err := queryOne(k.tx, scanOne[int64], nil, `SELECT count(*) FROM (SELECT 1`+what+limitTo("$3")+`) AS counted`,
			tenant, generation, max(limit, 1))
		if err != nil {
			return store.KeyUses{}, err
		}
		*count = min(*count+int(n), max(limit, 1))
	}
	return u, nil
}

func (k keys) DestroySealing(tenant access.TenantID, generation int) error {
	return k.change(tenant, generation, `
		UPDATE tenant_keys SET sealing = NULL
		WHERE tenant = $1 AND generation = $2 AND sealing IS NOT NULL AND `+older+` AND NOT EXISTS (SELECT 1`+plansUnder+`)
			AND NOT EXISTS (SELECT 1`+configurationsUnder+`)`)
}

func (k keys) Destroy(tenant access.TenantID, generation int) error {
	return k.change(tenant, generation, `
		DELETE FROM tenant_keys WHERE tenant = $1 AND generation = $2 AND `+older+`
			AND NOT EXISTS (SELECT 1`+plansUnder+`) AND NOT EXISTS (SELECT 1`+configurationsUnder+`) AND NOT EXISTS (SELECT 1`+grantsUnder+`)
			AND NOT EXISTS (SELECT 1`+rightsUnder+`) AND NOT EXISTS (SELECT 1`+restoresUnder+`)
			AND NOT EXISTS (SELECT 1`+numberedUnder+`) AND NOT EXISTS (SELECT 1`+unnumberedUnder+`) AND NOT EXISTS (SELECT 1`+headsUnder+`)`)
}

// change runs a statement that changes one generation, or none when it is not what it should be.
func (k keys) change(tenant access.TenantID, generation int, text string, args ...any) error {
	n, err := k.tx.exec(text, append([]any{tenant, generation}, args...)...)
	if err == nil && n == 0 {
		return movedOn("key", fmt.Sprintf("%d of tenant %s", generation, tenant))
	}
	return err
}

func scanKey(r row) (k store.Key, err error) {
	err = r.Scan(&k.Tenant, &k.Generation, &k.Wrapper, &k.Sealing, &k.Authentication, timeColumn{&k.MadeAt}, timeColumn{&k.IdleSince})
	return k, err
}
