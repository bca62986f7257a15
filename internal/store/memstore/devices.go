package memstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// devices implements store.Devices.
type devices struct{ tx *tx }

// one finds the only device of a tenant that is so.
func (d devices) one(tenant access.TenantID, is func(store.Device) bool) (store.Device, error) {
	if err := d.tx.mayRead(); err != nil {
		return store.Device{}, err
	}
	for k, v := range d.tx.books.devices.rows {
		if k.tenant == tenant && is(v) {
			return v, nil
		}
	}
	return store.Device{}, access.Errorf(access.KindNotFound, "No device waits with this code.")
}

func (d devices) Insert(v store.Device) error {
	if _, err := d.one(v.Tenant, func(o store.Device) bool { return o.Code == v.Code || o.UserCode == v.UserCode }); err == nil {
		return access.Errorf(access.KindConflict, "There is a device %.128q already.", v.ID)
	}
	if v.State != store.DeviceWaiting && v.State != store.DeviceApproved && v.State != store.DeviceDenied || v.Until.IsZero() {
		return d.tx.refuse("The store refuses a device in the state %.32q, or without an end.", v.State)
	}
	v.AskedAt, v.Until = whole(v.AskedAt), whole(v.Until)
	return insert(d.tx, &d.tx.books.devices, "device", key{v.Tenant, string(v.ID)}, v)
}

func (d devices) ByCode(tenant access.TenantID, code store.SecretHash) (store.Device, error) {
	return d.one(tenant, func(v store.Device) bool { return v.Code == code })
}

func (d devices) ByUserCode(tenant access.TenantID, code store.SecretHash) (store.Device, error) {
	return d.one(tenant, func(v store.Device) bool { return v.UserCode == code })
}

func (d devices) Update(v store.Device) error {
	k := key{v.Tenant, string(v.ID)}
	stored, err := find(d.tx, d.tx.books.devices.rows, "device", k)
	if err != nil {
		return err
	}
	if err := d.tx.mayWrite(); err != nil {
		return err
	}
	stored.State, stored.AskedAt = v.State, whole(v.AskedAt)
	d.tx.books.devices.mine(d.tx)[k] = stored
	return nil
}

func (d devices) Delete(tenant access.TenantID, id store.DeviceID) error {
	return remove(d.tx, &d.tx.books.devices, "device", key{tenant, string(id)})
}

func (d devices) DeleteEnded(tenant access.TenantID, now time.Time, limit int) (n int, err error) {
	if err := d.tx.mayWrite(); err != nil {
		return 0, err
	}
	rows := d.tx.books.devices.mine(d.tx)
	for k, v := range rows {
		if n < clampLimit(limit) && k.tenant == tenant && !v.Until.After(now) {
			delete(rows, k)
			n++
		}
	}
	return n, nil
}

func (d devices) Count(tenant access.TenantID, limit int) (n int, err error) {
	if err := d.tx.mayRead(); err != nil {
		return 0, err
	}
	for k := range d.tx.books.devices.rows {
		if k.tenant == tenant && n < clampLimit(limit) {
			n++
		}
	}
	return n, nil
}
