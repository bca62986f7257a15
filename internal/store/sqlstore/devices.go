package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// devices implements store.Devices.
type devices struct{ tx *tx }

const deviceColumns = `tenant, id, code, user_code, label, state, asked_at, until`

func (d devices) Insert(v store.Device) error {
	return d.tx.insert(alreadyThere("device", string(v.ID)), `
		INSERT INTO devices (`+deviceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Code[:], v.UserCode[:], v.Label, v.State, micros(v.AskedAt), micros(v.Until))
}

func (d devices) ByCode(tenant access.TenantID, code store.SecretHash) (store.Device, error) {
	return queryOne(d.tx, scanDevice, errNoDevice(), `SELECT `+deviceColumns+` FROM devices WHERE tenant = $1 AND code = $2`, tenant, code[:])
}

func (d devices) ByUserCode(tenant access.TenantID, code store.SecretHash) (store.Device, error) {
	return queryOne(d.tx, scanDevice, errNoDevice(), `SELECT `+deviceColumns+` FROM devices WHERE tenant = $1 AND user_code = $2`, tenant, code[:])
}

func errNoDevice() error {
	return access.Errorf(access.KindNotFound, "No device waits with this code.")
}

func (d devices) Update(v store.Device) error {
	n, err := d.tx.exec(`UPDATE devices SET state = $3, asked_at = $4 WHERE tenant = $1 AND id = $2`, v.Tenant, v.ID, v.State, micros(v.AskedAt))
	if err == nil && n == 0 {
		return notFound("device", string(v.ID))
	}
	return err
}

func (d devices) Delete(tenant access.TenantID, id store.DeviceID) error {
	n, err := d.tx.exec(`DELETE FROM devices WHERE tenant = $1 AND id = $2`, tenant, id)
	if err == nil && n == 0 {
		return notFound("device", string(id))
	}
	return err
}

func (d devices) DeleteEnded(tenant access.TenantID, now time.Time, limit int) (int, error) {
	n, err := d.tx.exec(`
		DELETE FROM devices WHERE tenant = $1 AND id IN (SELECT id FROM devices WHERE tenant = $1 AND until <= $2 ORDER BY id`+limitTo("$3")+`)`,
		tenant, micros(now), clampLimit(limit))
	return int(n), err
}

func (d devices) Count(tenant access.TenantID, limit int) (n int, err error) {
	scan := func(r row) (n int, err error) { return n, r.Scan(countColumn{&n}) }
	return queryOne(d.tx, scan, errNoDevice(), `SELECT count(*) FROM (SELECT 1 FROM devices WHERE tenant = $1`+limitTo("$2")+`) AS counted`,
		tenant, clampLimit(limit))
}

func scanDevice(r row) (v store.Device, err error) {
	err = r.Scan(&v.Tenant, &v.ID, hashColumn{&v.Code}, hashColumn{&v.UserCode}, &v.Label, &v.State, timeColumn{&v.AskedAt}, timeColumn{&v.Until})
	return v, err
}

// hashColumn scans the hash of a secret; none is the hash of nothing.
type hashColumn struct{ dst *store.SecretHash }

// Scan implements sql.Scanner.
func (c hashColumn) Scan(src any) error {
	b, _ := src.([]byte)
	copy(c.dst[:], b)
	return nil
}
