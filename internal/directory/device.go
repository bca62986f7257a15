package directory

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	txDeviceBegun   store.TxName = "device-begun"
	txDeviceAsked   store.TxName = "device-asked"
	txDeviceSettled store.TxName = "device-settled"
)

const (
	// devicePrefix begins the IDs of devices.
	devicePrefix = "dv_"
	// DeviceLifetime is how long somebody has to type a device's code.
	DeviceLifetime = 10 * time.Minute
	// DevicePause is how long a device waits before it asks again.
	DevicePause = 5 * time.Second
	// maxDevices is how many devices may wait at once: anybody may begin one.
	maxDevices = 1000
	// userCodeLetters are those of RFC 8628, section 6.1: no vowels, so that no code is a word, and nothing that looks like
	// something else.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// DeviceCodes are what a device that begins is given.
type DeviceCodes struct {
	// Device is the device's own, and User the one that people type, as in BCDF-GHJK.
	Device, User string
}

// BeginDevice has a machine without a browser wait for somebody who signs in elsewhere.
func (r *Registrar) BeginDevice(ctx context.Context, label string) (DeviceCodes, error) {
	if err := checkLabel(label); err != nil {
		return DeviceCodes{}, err
	}
	codes := DeviceCodes{Device: store.NewSecret("cfd_"), User: newUserCode()}
	err := r.books.Change(ctx, txDeviceBegun, func(tx store.Tx, _ func(access.Event) error) error {
		now := tx.Now()
		if _, err := tx.Devices().DeleteEnded(r.tenant, now, housekeeping); err != nil {
			return err
		}
		waiting, err := tx.Devices().Count(r.tenant, maxDevices)
		if err != nil {
			return err
		}
		if waiting >= maxDevices {
			return access.Errorf(access.KindExhausted, "Too many devices wait for somebody to sign in; try again in a few minutes.")
		}
		return tx.Devices().Insert(store.Device{
			ID: store.DeviceID(r.ids.New(devicePrefix)), Tenant: r.tenant, Code: store.HashSecret(codes.Device), UserCode: hashUserCode(codes.User),
			Label: label, State: store.DeviceWaiting, AskedAt: now, Until: now.Add(DeviceLifetime),
		})
	})
	return codes, err
}

// errUserCode is the refusal of what somebody typed.
var errUserCode = access.Errorf(access.KindNotFound, "No device waits with this code. Look at the code again, or begin anew on the device.")

// Device finds the device that waits with the code which somebody typed. How they write it does not matter.
func (r *Registrar) Device(ctx context.Context, userCode string) (d store.Device, err error) {
	err = r.directory().config.Store.View(ctx, func(tx store.Tx) error {
		d, err = tx.Devices().ByUserCode(r.tenant, hashUserCode(userCode))
		if access.KindOf(err) == access.KindNotFound || err == nil && (d.State != store.DeviceWaiting || !tx.Now().Before(d.Until)) {
			return errUserCode
		}
		return err
	})
	return d, err
}

// SettleDevice lets a device that waits in, with the session that code leads to, or refuses it.
func (r *Registrar) SettleDevice(ctx context.Context, userCode, code string, approved bool) error {
	return r.books.Change(ctx, txDeviceSettled, func(tx store.Tx, _ func(access.Event) error) error {
		d, err := tx.Devices().ByUserCode(r.tenant, hashUserCode(userCode))
		if access.KindOf(err) == access.KindNotFound || err == nil && (d.State != store.DeviceWaiting || !tx.Now().Before(d.Until)) {
			return errUserCode
		}
		if err != nil {
			return err
		}
		p, err := tx.Sessions().ByCode(r.tenant, store.HashSecret(code))
		if access.KindOf(err) == access.KindNotFound || err == nil && !tx.Now().Before(p.Until) {
			return errCode
		}
		if err != nil {
			return err
		}
		if err := tx.Sessions().Delete(r.tenant, p.ID); err != nil {
			return err
		}
		if d.State = store.DeviceDenied; approved {
			d.State = store.DeviceApproved
			// The device's own code leads to the session, and is its own proof: no browser has seen it.
			p.Label, p.Code, p.Until = d.Label, d.Code, d.Until
			p.Challenge = base64.RawURLEncoding.EncodeToString(d.Code[:])
			if err := tx.Sessions().Insert(p); err != nil {
				return err
			}
		}
		return tx.Devices().Update(d)
	})
}

// DeviceAnswer is what a device that asks is told.
type DeviceAnswer uint8

// The answers to a device, beside a token.
const (
	// DeviceHasToken gives it a token.
	DeviceHasToken DeviceAnswer = iota
	// DevicePending says to ask again after a pause.
	DevicePending
	// DeviceTooFast says so too, and that it asks too often.
	DeviceTooFast
	// DeviceRefused says that somebody refused it.
	DeviceRefused
	// DeviceTooLate says that its time is up, or that nothing is known of it.
	DeviceTooLate
)

// AskDevice is the device asking whether somebody has signed in. What they have approved is used up by the transaction that makes the
// token, or not at all.
func (r *Registrar) AskDevice(ctx context.Context, code string) (answer DeviceAnswer, token string, s access.Session, err error) {
	made := store.NewSecret(TokenPrefix)
	err = r.books.Change(ctx, txDeviceAsked, func(tx store.Tx, enter func(access.Event) error) error {
		d, err := tx.Devices().ByCode(r.tenant, store.HashSecret(code))
		switch {
		case access.KindOf(err) == access.KindNotFound:
			answer = DeviceTooLate
			return nil
		case err != nil:
			return err
		}
		now := tx.Now()
		switch {
		case !now.Before(d.Until):
			answer = DeviceTooLate
		case d.State == store.DeviceDenied:
			answer = DeviceRefused
		case d.State == store.DeviceApproved:
			answer = DeviceHasToken
		case now.Sub(d.AskedAt) < DevicePause-time.Second: // networks are uneven
			answer = DeviceTooFast
		default:
			answer = DevicePending
		}
		if answer == DevicePending || answer == DeviceTooFast {
			d.AskedAt = now
			return tx.Devices().Update(d)
		}
		if answer == DeviceHasToken {
			var refused bool
			if s, refused, err = r.redeem(tx, enter, code, code, made); err != nil {
				return err
			}
			if refused {
				answer = DeviceTooLate
			}
		}
		return tx.Devices().Delete(r.tenant, d.ID)
	})
	if err != nil || answer != DeviceHasToken {
		return answer, "", access.Session{}, err
	}
	return answer, made, s, nil
}

// newUserCode is a code that people can type: 34 bits, good for minutes.
func newUserCode() string {
	letters := make([]byte, userCodeLength)
	for i := range letters {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters)))) // never fails
		letters[i] = userCodeLetters[n.Int64()]
	}
	return string(letters[:userCodeLength/2]) + "-" + string(letters[userCodeLength/2:])
}

// UserCode is the code that somebody has typed, as the device shows it: letters that no code has are left out, and how they
// are grouped does not matter.
func UserCode(typed string) string {
	const most = 64
	letters := strings.Map(func(c rune) rune {
		if strings.ContainsRune(userCodeLetters, c) {
			return c
		}
		return -1
	}, strings.ToUpper(typed[:min(len(typed), most)]))
	if len(letters) != userCodeLength {
		return letters
	}
	return letters[:userCodeLength/2] + "-" + letters[userCodeLength/2:]
}

func hashUserCode(typed string) store.SecretHash { return store.HashSecret(UserCode(typed)) }
