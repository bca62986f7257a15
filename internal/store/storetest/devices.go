package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func newDevice(tenant access.TenantID, id store.DeviceID) store.Device {
	return store.Device{
		ID: id, Tenant: tenant, Code: store.HashSecret("code of " + string(tenant) + string(id)), UserCode: store.HashSecret("user code of " + string(tenant) + string(id)),
		Label: "curfew on server", State: store.DeviceWaiting, AskedAt: at(1), Until: at(50),
	}
}

func testDevices(t *testing.T, s store.Store) {
	try := func(fn func(store.Devices) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Devices()) })
	}
	find := func(what string, tenant access.TenantID, d store.Device) (got store.Device) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			byCode, err := tx.Devices().ByCode(tenant, d.Code)
			if err != nil {
				return err
			}
			got, err = tx.Devices().ByUserCode(tenant, d.UserCode)
			if diff := cmp.Diff(byCode, got); diff != "" {
				t.Errorf("%s, by both codes:\n%s", what, diff)
			}
			return err
		})
		return got
	}
	count := func(limit, want int) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			n, err := tx.Devices().Count(acme, limit)
			if n != want {
				t.Errorf("%d devices up to %d, want %d", n, limit, want)
			}
			return err
		})
	}
	first, second, elsewhere := newDevice(acme, "dv_1"), newDevice(acme, "dv_2"), newDevice(umbrella, "dv_1")
	for _, d := range []store.Device{first, second, elsewhere} {
		if err := try(func(r store.Devices) error { return r.Insert(d) }); err != nil {
			t.Fatal(err)
		}
	}
	count(10, 2)
	count(1, 1)
	for what, change := range map[string]func(*store.Device){
		"ID":        func(d *store.Device) { d.ID = first.ID },
		"code":      func(d *store.Device) { d.Code = first.Code },
		"user code": func(d *store.Device) { d.UserCode = first.UserCode },
	} {
		same := newDevice(acme, "dv_3")
		change(&same)
		wantKind(t, "a second device of that "+what, try(func(r store.Devices) error { return r.Insert(same) }), access.KindConflict)
	}
	ghost := newDevice(acme, "dv_3")
	ghost.State = "ghost"
	wantKind(t, "a device in no state", try(func(r store.Devices) error { return r.Insert(ghost) }), access.KindInvalid)

	changed := first
	changed.State, changed.AskedAt = store.DeviceApproved, at(7)
	changed.Label = "another"
	if err := try(func(r store.Devices) error { return r.Update(changed) }); err != nil {
		t.Fatal(err)
	}
	changed.Label = first.Label
	if diff := cmp.Diff(changed, find("changed", acme, first)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(elsewhere, find("another tenant's", umbrella, elsewhere)); diff != "" {
		t.Errorf("another tenant's (-want +got):\n%s", diff)
	}
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Devices().ByCode(umbrella, first.Code)
		wantKind(t, "another tenant's code", err, access.KindNotFound)
		_, err = tx.Devices().ByUserCode(acme, first.Code)
		wantKind(t, "a device's code as one that people type", err, access.KindNotFound)
		return nil
	})
	wantKind(t, "a change of what is not there", try(func(r store.Devices) error { return r.Update(newDevice(acme, "dv_9")) }), access.KindNotFound)

	if err := try(func(r store.Devices) error { return r.Delete(acme, second.ID) }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "ending twice", try(func(r store.Devices) error { return r.Delete(acme, second.ID) }), access.KindNotFound)
	for _, c := range []struct{ moment, want int }{{49, 0}, {50, 1}, {50, 0}} {
		err := try(func(r store.Devices) error {
			n, err := r.DeleteEnded(acme, at(c.moment), 5)
			if n != c.want {
				t.Errorf("at %d %d have ended, want %d", c.moment, n, c.want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	find("another tenant's, after all", umbrella, elsewhere)
}
