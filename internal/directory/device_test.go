package directory_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

func beginDevice(t *testing.T, w *World) directory.DeviceCodes {
	t.Helper()
	codes, err := w.Registrar.BeginDevice(t.Context(), "curfew on server")
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func TestDevice(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		codes := beginDevice(t, w)
		ask := func(what, code string, want directory.DeviceAnswer) (string, access.Session) {
			t.Helper()
			answer, token, s, err := w.Registrar.AskDevice(t.Context(), code)
			if answer != want || err != nil || (token != "") != (want == directory.DeviceHasToken) {
				t.Errorf("%s: %d, %q, %v; want %d", what, answer, token, err, want)
			}
			return token, s
		}
		ask("at once", codes.Device, directory.DeviceTooFast)
		time.Sleep(directory.DevicePause)
		ask("after a pause", codes.Device, directory.DevicePending)

		for _, typed := range []string{codes.User, strings.ToLower(codes.User), strings.ReplaceAll(codes.User, "-", ""), " " + strings.ReplaceAll(codes.User, "-", " - ") + " "} {
			if d, err := w.Registrar.Device(t.Context(), typed); err != nil || d.Label != "curfew on server" {
				t.Errorf("typed as %q: %+v, %v", typed, d, err)
			}
		}
		for _, typed := range []string{"", "BCDF-GHJK", codes.User + "B", codes.User[1:], codes.Device, strings.Repeat("B", 1<<16)} {
			if _, err := w.Registrar.Device(t.Context(), typed); access.KindOf(err) != access.KindNotFound {
				t.Errorf("typed as %.20q: %v", typed, err)
			}
		}

		code := begin(t, w)
		if err := w.Registrar.SettleDevice(t.Context(), codes.User, code, true); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Registrar.Redeem(t.Context(), code, verifier); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("the browser's code after it went to the device: %v", err)
		}
		if err := w.Registrar.SettleDevice(t.Context(), codes.User, begin(t, w), true); access.KindOf(err) != access.KindNotFound {
			t.Errorf("a second time: %v", err)
		}
		token, s := ask("approved", codes.Device, directory.DeviceHasToken)
		if c, err := w.Directory.Authenticate(t.Context(), token); err != nil || c.Name != "Erin" || s.Label != "curfew on server" {
			t.Errorf("the device's token: %+v, %v, %q", c, err, s.Label)
		}
		ask("once more", codes.Device, directory.DeviceTooLate)
		ask("nothing", "", directory.DeviceTooLate)
	})
}

// A store that fails while the device fetches its token loses nothing of what somebody has approved.
func TestDeviceAsksWhileTheStoreFails(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		codes := beginDevice(t, w)
		if err := w.Registrar.SettleDevice(t.Context(), codes.User, begin(t, w), true); err != nil {
			t.Fatal(err)
		}
		for n := range 3 { // the next transaction fails, or the one after it
			r := directory.NewRegistrar(&failing{w.Engine, n}, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return w.Directory })
			answer, token, _, err := r.AskDevice(t.Context(), codes.Device)
			if err != nil {
				continue
			}
			if answer != directory.DeviceHasToken {
				t.Fatalf("it is answered %d", answer)
			}
			if _, err := w.Directory.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
			return
		}
		t.Error("it has no token")
	})
}

// failing are books of which so many transactions are left before they fail.
type failing struct {
	directory.Books
	left int
}

func (f *failing) Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error {
	if f.left--; f.left < 0 {
		return access.Errorf(access.KindUnavailable, "the store is away")
	}
	return f.Books.Change(ctx, name, fn)
}

// A device is refused, or its time is up, before and after somebody signed in for it.
func TestDeviceWithoutToken(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		for name, c := range map[string]struct {
			settle func(directory.DeviceCodes)
			want   directory.DeviceAnswer
		}{
			"refused": {func(c directory.DeviceCodes) {
				if err := w.Registrar.SettleDevice(t.Context(), c.User, begin(t, w), false); err != nil {
					t.Error(err)
				}
			}, directory.DeviceRefused},
			"too late": {func(directory.DeviceCodes) { time.Sleep(directory.DeviceLifetime) }, directory.DeviceTooLate},
			"approved with a used code": {func(c directory.DeviceCodes) {
				if err := w.Registrar.SettleDevice(t.Context(), c.User, "cfc_none", true); access.KindOf(err) != access.KindUnauthenticated {
					t.Error(err)
				}
				time.Sleep(directory.DevicePause)
			}, directory.DevicePending},
			"approved and not fetched": {func(c directory.DeviceCodes) {
				if err := w.Registrar.SettleDevice(t.Context(), c.User, begin(t, w), true); err != nil {
					t.Error(err)
				}
				time.Sleep(directory.DeviceLifetime)
			}, directory.DeviceTooLate},
		} {
			codes := beginDevice(t, w)
			c.settle(codes)
			answer, token, _, err := w.Registrar.AskDevice(t.Context(), codes.Device)
			if answer != c.want || token != "" || err != nil {
				t.Errorf("%s: %d, %q, %v; want %d", name, answer, token, err, c.want)
			}
		}
	})
}

// Anybody may begin a device, so they are bounded, and make room when their time is up.
func TestDevicesAreBounded(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		for range 1000 {
			beginDevice(t, w)
		}
		if _, err := w.Registrar.BeginDevice(t.Context(), "one more"); access.KindOf(err) != access.KindExhausted {
			t.Errorf("one more: %v", err)
		}
		time.Sleep(directory.DeviceLifetime)
		beginDevice(t, w)
	})
}
