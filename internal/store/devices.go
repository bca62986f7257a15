package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// DeviceID names a device that waits.
type DeviceID string

// DeviceState is how far a device has come.
type DeviceState string

// The states of a device.
const (
	// DeviceWaiting waits for somebody to type its code.
	DeviceWaiting DeviceState = "waiting"
	// DeviceApproved has a session under its own code.
	DeviceApproved DeviceState = "approved"
	// DeviceDenied was refused by whoever typed its code.
	DeviceDenied DeviceState = "denied"
)

// Device is a machine without a browser on which somebody signs in, with a browser elsewhere (RFC 8628).
type Device struct {
	ID     DeviceID
	Tenant access.TenantID
	// Code is the device's own, and UserCode the one that people type.
	Code, UserCode SecretHash
	// Label names the program and the machine.
	Label string
	State DeviceState
	// AskedAt is when the device asked last, and Until how long it may.
	AskedAt, Until time.Time
}

// Devices are those that wait. A copy of the books has none of them.
type Devices interface {
	// Insert keeps a device. A second one of the same ID or of one of the codes is access.KindConflict.
	Insert(Device) error
	ByCode(access.TenantID, SecretHash) (Device, error)
	ByUserCode(access.TenantID, SecretHash) (Device, error)
	// Update writes State and AskedAt.
	Update(Device) error
	Delete(access.TenantID, DeviceID) error
	// DeleteEnded deletes up to limit devices whose time is up, and says how many.
	DeleteEnded(tenant access.TenantID, now time.Time, limit int) (int, error)
	// Count counts them, up to limit.
	Count(tenant access.TenantID, limit int) (int, error)
}
